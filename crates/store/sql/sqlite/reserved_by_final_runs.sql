-- Runs that are over, or gone, and still have something set aside.
SELECT DISTINCT reservation.run
  FROM reservation LEFT JOIN run ON run.id = reservation.run
 WHERE run.id IS NULL OR run.finished_at_us IS NOT NULL
 ORDER BY reservation.run;
