-- Keeps a bundle, once.
INSERT INTO bundle (digest, bytes, created_at_us) VALUES (:digest, :bytes, :now_us) ON CONFLICT (digest) DO NOTHING;
