-- Messages of a run that leave are overwritten where they stand, before they are taken away.
UPDATE outbox SET body = zeroblob(length(body)) WHERE run = :run AND body IS NOT NULL;
