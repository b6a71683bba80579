-- How many runs there are, by workflow, status and failure, and by whether another run answers for them.
SELECT workflow, status, failure, covered, runs FROM run_count WHERE runs > 0;
