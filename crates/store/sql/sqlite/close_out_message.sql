-- A message was tried: it is over (NULL), or is tried again. No row changed: it was not to leave.
UPDATE outbox SET next_at_us = :next_at_us, state = :state, why = :why WHERE id = :id AND next_at_us IS NOT NULL;
