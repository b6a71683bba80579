-- Keeps the answer of a fenced worker, once.
INSERT INTO late_result (run, step, epoch, attempt, outcome, at_us) VALUES (:run, :step, :epoch, :attempt, :outcome, :at_us)
    ON CONFLICT (run, step, epoch, attempt) DO NOTHING;
