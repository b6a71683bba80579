-- Workers that nobody has declared dead, but for one.
SELECT id FROM worker WHERE dead_at_us IS NULL AND id <> :worker ORDER BY id;
