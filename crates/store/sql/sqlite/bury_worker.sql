-- Declares a worker dead.
UPDATE worker SET dead_at_us = :now_us WHERE id = :worker AND dead_at_us IS NULL;
