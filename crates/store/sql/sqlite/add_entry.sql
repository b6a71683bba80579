-- One entry at the end of all journals. `prev`: the number of the run's entry before.
INSERT INTO journal (no, run, seq, prev, epoch, at_us, salt, digest, hash, body)
VALUES (:no, :run, :seq, :prev, :epoch, :at_us, :salt, :digest, :hash, :body);
