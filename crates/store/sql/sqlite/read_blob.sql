-- A blob of a run; NULL once erased.
SELECT bytes FROM blob WHERE run = :run AND digest = :digest;
