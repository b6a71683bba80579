-- Work of a run, oldest first. No queue means all; :closed, what is done as well.
SELECT id, run, step, queue, opened_at_us, due_at_us, claimed_by, claimed_at_us, closed_at_us, card
  FROM work
 WHERE run = :run AND (:closed OR closed_at_us IS NULL) AND (:queue IS NULL OR queue = :queue) AND (opened_at_us, id) > (:after_us, :after)
 ORDER BY opened_at_us, id LIMIT :limit;
