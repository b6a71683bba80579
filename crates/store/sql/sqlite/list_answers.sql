-- What is kept to be used again, in the order of keys, after :after; whether it still counts or not.
SELECT key, run, entry, at_us, until_us, value FROM answer WHERE key > :after ORDER BY key LIMIT :limit;
