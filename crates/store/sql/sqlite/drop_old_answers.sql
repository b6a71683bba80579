-- Answers that count no more go, the oldest first, a few at a time.
DELETE FROM answer WHERE key IN
    (SELECT key FROM answer WHERE until_us <= :now_us ORDER BY until_us, key LIMIT :limit);
