-- Blobs of a run go with their digests: those are over the bytes alone, and a short text can be guessed by its digest.
DELETE FROM blob WHERE run = :run;
