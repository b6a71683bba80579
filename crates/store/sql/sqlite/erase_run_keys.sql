-- Nothing but its id finds the run any more.
DELETE FROM run_key WHERE run = :run;
