-- A blob of a run; NULL once erased.
SELECT CASE WHEN (SELECT key FROM run WHERE id = :run) IS NOT NULL THEN bytes END AS bytes
  FROM blob WHERE run = :run AND digest = :digest;
