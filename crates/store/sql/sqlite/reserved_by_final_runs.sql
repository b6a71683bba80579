-- Runs that are over and still have something set aside.
SELECT DISTINCT reservation.run
  FROM reservation JOIN run ON run.id = reservation.run
 WHERE run.finished_at_us IS NOT NULL
 ORDER BY reservation.run;
