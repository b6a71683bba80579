-- All blobs of a run.
SELECT digest, bytes FROM blob WHERE run = :run ORDER BY digest;
