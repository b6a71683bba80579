-- Work for people. No row changed: its id is taken.
INSERT INTO work (id, run, step, queue, opened_at_us, due_at_us, card)
VALUES (:id, :run, :step, :queue, :opened_at_us, :due_at_us, :card) ON CONFLICT (id) DO NOTHING;
