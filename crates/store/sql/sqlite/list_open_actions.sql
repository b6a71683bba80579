-- Open actions of all runs; with :unknown_only, those whose outcome is not known.
SELECT run, step, action, effect, key, attempt, since_us, state
  FROM open_action
 WHERE NOT :unknown_only OR state = 'unknown'
 ORDER BY run, step;
