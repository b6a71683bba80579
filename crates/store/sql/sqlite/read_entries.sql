-- The entries of one append, by the number of their row.
SELECT run, seq, count, prev, entries FROM journal WHERE no = :no;
