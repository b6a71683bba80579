-- Seals after a number, in order.
SELECT no, at_us, upto, prev, hash, heads, key_id, signature FROM seal WHERE no > :after ORDER BY no LIMIT :limit;
