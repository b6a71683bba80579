-- How each message that leaves stands. `left`: it was taken by its receiver; `dead`: nothing tries it again until a person says so;
-- `dropped`: nobody needs it any more. `why`: what went wrong last, or why it was dropped.
ALTER TABLE outbox ADD COLUMN state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'left', 'dead', 'dropped'));
ALTER TABLE outbox ADD COLUMN why TEXT;
UPDATE outbox SET state = iif(body IS NULL, 'dropped', 'left') WHERE next_at_us IS NULL;
