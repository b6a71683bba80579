-- The answer that is kept under a key, whether it still counts or not.
SELECT key, run, entry, at_us, until_us, value FROM answer WHERE key = :key;
