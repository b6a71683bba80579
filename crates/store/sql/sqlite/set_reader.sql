-- How reading connections work: they change nothing, not even by mistake.
PRAGMA query_only = ON;
PRAGMA mmap_size = 0;
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;
PRAGMA cache_size = -8192;
