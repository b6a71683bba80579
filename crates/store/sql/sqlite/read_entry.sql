-- One entry, and the number of the run's entry before.
SELECT run, seq, prev, epoch, at_us, salt, digest, hash, body FROM journal WHERE no = :no;
