-- How many keys begin with a text, at most :most.
SELECT count(*) AS keys FROM (SELECT 1 FROM run_key WHERE value >= :text AND value < :end LIMIT :most);
