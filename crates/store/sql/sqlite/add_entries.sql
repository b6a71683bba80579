-- The entries of one append, at the end of all journals. `prev`: the number of the run's row before.
INSERT INTO journal (no, run, seq, count, prev, entries)
VALUES (:no, :run, :seq, :count, :prev, :entries);
