-- All blobs of a run; NULL once erased.
SELECT digest, CASE WHEN (SELECT key FROM run WHERE id = :run) IS NOT NULL THEN bytes END AS bytes
  FROM blob WHERE run = :run ORDER BY digest;
