-- How the writing connection works: a commit is on the disk before it is answered, and nothing but the writer moves the log.
-- What a page no longer holds is filled with zeros, so that what is erased later has left no copy behind.
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = FAST;
PRAGMA wal_autocheckpoint = 0;
PRAGMA mmap_size = 0;
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;
PRAGMA cache_size = -65536;
