-- The runs that a worker has.
SELECT id FROM run WHERE owner = :worker;
