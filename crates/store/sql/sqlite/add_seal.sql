-- A seal.
INSERT INTO seal (no, at_us, upto, prev, hash, heads, key_id, signature)
VALUES (:no, :at_us, :upto, :prev, :hash, :heads, :key_id, :signature);
