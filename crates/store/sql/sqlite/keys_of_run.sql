-- The business keys that a run is found by.
SELECT name, value FROM run_key WHERE run = :run AND kind = 'about';
