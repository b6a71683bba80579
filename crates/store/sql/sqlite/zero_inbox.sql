-- Messages of a run are overwritten where they stand, before they are taken away.
UPDATE inbox SET body = zeroblob(length(body)) WHERE run = :run AND body IS NOT NULL;
