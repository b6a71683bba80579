-- Somebody wants it made anew.
DELETE FROM answer WHERE key = :key;
