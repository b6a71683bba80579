-- A message was tried: it has left (NULL), or is tried again. No row changed: it was not to leave.
UPDATE outbox SET attempts = attempts + 1, next_at_us = :next_at_us WHERE id = :id AND next_at_us IS NOT NULL;
