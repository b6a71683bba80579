-- Open work of one queue, oldest first.
SELECT id, run, step, queue, opened_at_us, due_at_us, claimed_by, claimed_at_us, closed_at_us, card
  FROM work
 WHERE queue = :queue AND closed_at_us IS NULL AND (opened_at_us, id) > (:after_us, :after)
 ORDER BY opened_at_us, id LIMIT :limit;
