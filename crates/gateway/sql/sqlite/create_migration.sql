-- Makes the table of migrations, if it is missing: one row for each that was applied, in its transaction.
CREATE TABLE IF NOT EXISTS surefoot_migration (
    name TEXT NOT NULL PRIMARY KEY,
    place INTEGER NOT NULL UNIQUE CHECK (place >= 0),
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    at_us INTEGER NOT NULL
) STRICT
