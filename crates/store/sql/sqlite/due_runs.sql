-- Runs that have been due longest and whose strikes stand in a range, at most :limit.
SELECT id, epoch, head, head_hash, bundle, tenant, inbox_gen, wake_at_us, key
  FROM run
 WHERE owner IS NULL AND wake_at_us IS NOT NULL AND wake_at_us <= :now_us AND strikes BETWEEN :least AND :most
 ORDER BY wake_at_us, id LIMIT :limit;
