-- The event has its run. A second time changes nothing.
UPDATE outbox SET run = :run WHERE id = :id AND run IS NULL;
