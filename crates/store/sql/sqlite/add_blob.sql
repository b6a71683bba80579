-- Bytes of a run, once.
INSERT INTO blob (run, digest, bytes) VALUES (:run, :digest, :bytes) ON CONFLICT (run, digest) DO NOTHING;
