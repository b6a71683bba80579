-- All seals, in order.
SELECT no, at_us, upto, prev, hash, heads, key_id, signature FROM seal ORDER BY no;
