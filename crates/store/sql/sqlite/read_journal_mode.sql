-- How transactions are kept: must be "wal".
PRAGMA journal_mode;
