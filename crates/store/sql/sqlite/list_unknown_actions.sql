-- Actions whose outcome nobody knows, by run and step, after one of them, of runs up to one.
SELECT run, step, action, effect, key, attempt, since_us, state
  FROM open_action
 WHERE state = 'unknown' AND (run, step) > (:after_run, :after_step) AND run <= :last
 ORDER BY run, step LIMIT :limit;
