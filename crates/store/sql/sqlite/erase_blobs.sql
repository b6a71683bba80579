-- Blobs of a run keep their digests and sizes. A run without a key has none to give.
UPDATE blob SET bytes = zeroblob(length(bytes)) WHERE run = :run AND bytes IS NOT NULL;
