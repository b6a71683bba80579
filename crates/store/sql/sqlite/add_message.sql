-- A message at the end of a run's inbox.
INSERT INTO inbox (run, seq, id, kind, name, sender, body, at_us)
VALUES (:run, :seq, :id, :kind, :name, :sender, :body, :at_us);
