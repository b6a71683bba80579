-- Runs that are over or gone and still have something set aside, and in which sums.
SELECT reservation.run, reservation.step, reservation.scope, reservation.unit, reservation.period_us, reservation.amount
  FROM reservation LEFT JOIN run ON run.id = reservation.run
 WHERE run.id IS NULL OR run.finished_at_us IS NOT NULL
 ORDER BY reservation.run, reservation.step, reservation.scope, reservation.unit, reservation.period_us;
