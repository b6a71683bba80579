-- The run with the next larger id.
SELECT id FROM run WHERE id > :run ORDER BY id LIMIT 1;
