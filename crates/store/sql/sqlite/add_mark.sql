-- Where a run's entry with a round number stands.
INSERT INTO journal_mark (run, seq, no) VALUES (:run, :seq, :no);
