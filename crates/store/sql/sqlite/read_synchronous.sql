-- How much is waited for at a COMMIT: must be 2, FULL.
PRAGMA synchronous;
