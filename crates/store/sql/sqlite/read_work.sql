-- One piece of work, open or done.
SELECT id, run, step, queue, opened_at_us, due_at_us, claimed_by, claimed_at_us, closed_at_us, card
  FROM work
 WHERE id = :id;
