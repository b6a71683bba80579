-- An action begins.
INSERT INTO open_action (run, step, action, effect, key, attempt, since_us)
VALUES (:run, :step, :action, :effect, :key, :attempt, :since_us);
