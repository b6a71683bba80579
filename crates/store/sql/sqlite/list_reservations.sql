-- Everything that is set aside, and whether its run is over, or gone.
SELECT reservation.run, reservation.step, reservation.scope, reservation.unit, reservation.period_us, reservation.amount,
       run.id IS NULL OR run.finished_at_us IS NOT NULL AS is_over
  FROM reservation LEFT JOIN run ON run.id = reservation.run
 ORDER BY reservation.run, reservation.step, reservation.scope, reservation.unit, reservation.period_us;
