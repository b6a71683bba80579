-- What a run has set aside; with a step, only that step's.
SELECT step, scope, unit, period_us, amount
  FROM reservation
 WHERE run = :run AND (:step IS NULL OR step = :step)
 ORDER BY step, scope, unit, period_us;
