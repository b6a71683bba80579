-- Blobs of a run are overwritten where they stand, before they are taken away.
UPDATE blob SET bytes = zeroblob(length(bytes)) WHERE run = :run AND bytes IS NOT NULL;
