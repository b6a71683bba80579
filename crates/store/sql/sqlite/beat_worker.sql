-- Prolongs a lease. No row changed: the worker is dead.
UPDATE worker SET lease_until_us = :lease_until_us WHERE id = :worker AND dead_at_us IS NULL;
