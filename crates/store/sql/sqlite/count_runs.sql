-- How many runs there are, counted anew, by workflow, status and failure.
SELECT workflow, status, coalesce(failure, '') AS failure, count(*) AS runs FROM run GROUP BY 1, 2, 3;
