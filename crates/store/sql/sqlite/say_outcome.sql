-- What a person says came of a run; it takes the place of what they said before.
INSERT INTO outcome (run, by, auth, workflow, correct, because, at_us)
SELECT id, :by, :auth, workflow, :correct, :because, :at_us FROM run WHERE id = :run
    ON CONFLICT (run, by) DO UPDATE
    SET auth = excluded.auth, correct = excluded.correct, because = excluded.because, at_us = excluded.at_us;
