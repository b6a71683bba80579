-- Messages that leave, oldest first: by id, by run, and those that have left or were dropped only if they are asked for.
SELECT id, run, channel, at_us, attempts, body, state, next_at_us, why
  FROM outbox
 WHERE (:id IS NULL OR id = :id) AND (:run IS NULL OR run = :run) AND (:closed OR state IN ('waiting', 'dead'))
 ORDER BY at_us, id LIMIT :limit;
