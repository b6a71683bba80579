-- The newest seal. No row: there is none.
SELECT no, at_us, upto, prev, hash, heads, key_id, signature FROM seal ORDER BY no DESC LIMIT 1;
