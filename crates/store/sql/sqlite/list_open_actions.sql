-- Open actions by run and step, after one of them, of runs up to one. No state means any.
SELECT run, step, action, effect, key, attempt, since_us, state
  FROM open_action
 WHERE (run, step) > (:after_run, :after_step) AND run <= :last AND (:state IS NULL OR state = :state)
 ORDER BY run, step LIMIT :limit;
