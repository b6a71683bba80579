-- The same, then cuts the log to nothing; waits for readers a while.
PRAGMA wal_checkpoint(TRUNCATE);
