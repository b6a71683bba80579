-- One row if the worker has a lease that nobody has ended.
SELECT 1 FROM worker WHERE id = :worker AND dead_at_us IS NULL;
