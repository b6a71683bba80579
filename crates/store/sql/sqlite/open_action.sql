-- An action begins. No row changed: one of its step is open already.
INSERT INTO open_action (run, step, action, effect, key, attempt, since_us)
VALUES (:run, :step, :action, :effect, :key, :attempt, :since_us) ON CONFLICT (run, step) DO NOTHING;
