-- A pending approval of a run comes to its end. No row changed: it is not pending.
UPDATE approval SET state = :state, closed_at_us = :now_us WHERE id = :id AND run = :run AND state = 'pending';
