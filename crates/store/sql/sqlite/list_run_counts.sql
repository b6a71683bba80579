-- How many runs there are, by workflow, status and failure.
SELECT workflow, status, failure, runs FROM run_count WHERE runs > 0;
