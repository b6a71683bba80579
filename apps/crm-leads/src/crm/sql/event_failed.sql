-- No run can ever be started for the event.
UPDATE outbox SET failure = :why WHERE id = :id AND run IS NULL;
