-- How many entries the journal has, and how many the runs say it has.
SELECT (SELECT coalesce(sum(count), 0) FROM journal) AS entries, (SELECT coalesce(sum(head), 0) FROM run) AS heads;
