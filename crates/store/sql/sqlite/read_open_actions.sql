-- All open actions of a run.
SELECT step, action, effect, key, attempt, since_us FROM open_action WHERE run = :run ORDER BY step;
