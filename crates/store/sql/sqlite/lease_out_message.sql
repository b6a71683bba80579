-- A message is about to be tried: nobody else tries it before a time.
UPDATE outbox SET attempts = attempts + 1, next_at_us = :until_us WHERE id = :id;
