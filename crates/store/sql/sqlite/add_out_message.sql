-- A message that is to leave. No row changed: its id is taken.
INSERT INTO outbox (id, run, channel, at_us, next_at_us, body) VALUES (:id, :run, :channel, :at_us, :due_at_us, :body)
    ON CONFLICT (id) DO NOTHING;
