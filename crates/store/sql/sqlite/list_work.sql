-- Work for people, open or done, oldest first. No queue means all.
SELECT id, run, step, queue, opened_at_us, due_at_us, claimed_by, claimed_at_us, closed_at_us, card
  FROM work
 WHERE (opened_at_us, id) > (:after_us, :after) AND (:queue IS NULL OR queue = :queue)
 ORDER BY opened_at_us, id LIMIT :limit;
