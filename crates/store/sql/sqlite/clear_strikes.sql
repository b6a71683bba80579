-- A step was completed: the run is no suspect any more.
UPDATE run SET strikes = 0 WHERE id = :run;
