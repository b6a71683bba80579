-- A person lets a message be tried again, due at once. No row changed: it is not dead, or was erased.
UPDATE outbox SET next_at_us = :now_us, attempts = 0, state = 'waiting' WHERE id = :id AND state = 'dead' AND body IS NOT NULL;
