-- What is kept of a run, for the check that compares it with its journal.
SELECT key, run, entry, at_us, until_us, value FROM answer WHERE run = :run ORDER BY key;
