-- A person votes.
INSERT INTO vote (approval, voter, decision, shown, seq, at_us) VALUES (:approval, :voter, :decision, :shown, :seq, :at_us);
