-- Work for people, oldest first. NULL in a filter means all; an id is found open or closed.
-- Nothing comes after work that is not there.
SELECT id, run, step, queue, opened_at_us, due_at_us, claimed_by, claimed_at_us, closed_at_us, card
  FROM work
 WHERE (:id IS NULL OR id = :id)
   AND (:run IS NULL OR run = :run)
   AND (:queue IS NULL OR queue = :queue)
   AND (:closed OR closed_at_us IS NULL)
   AND (:after IS NULL OR (opened_at_us, id) > (SELECT last.opened_at_us, last.id FROM work AS last WHERE last.id = :after))
 ORDER BY opened_at_us, id LIMIT :limit;
