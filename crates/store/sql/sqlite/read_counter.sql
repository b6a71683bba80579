-- How often a counter has changed. No row: never.
SELECT version FROM counter WHERE name = :counter;
