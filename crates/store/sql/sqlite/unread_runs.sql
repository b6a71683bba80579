-- Runs of a worker that have messages it has not read.
SELECT id FROM run WHERE owner = :worker AND inbox_gen > inbox_read ORDER BY id;
