-- Moves what it can from the log into the database, waiting for nobody: busy, pages in the log, pages moved.
PRAGMA wal_checkpoint(PASSIVE);
