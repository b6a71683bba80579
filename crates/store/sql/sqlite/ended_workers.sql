-- Workers whose lease has ended and whom nobody has declared dead yet.
SELECT id FROM worker WHERE dead_at_us IS NULL AND lease_until_us < :now_us ORDER BY id;
