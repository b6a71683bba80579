-- The number of the newest entry of all.
SELECT coalesce(max(no), 0) FROM journal;
