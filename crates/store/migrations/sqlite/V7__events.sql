-- Events that runs or people published, as long as they are kept. `run`: who published it; NULL: a person.
CREATE TABLE event (
    id      TEXT PRIMARY KEY,
    run     BLOB CHECK (run IS NULL OR length(run) = 16),
    tenant  TEXT NOT NULL,
    project TEXT NOT NULL,
    name    TEXT NOT NULL,
    key     TEXT NOT NULL,
    sender  TEXT NOT NULL,
    body    BLOB NOT NULL,
    at_us   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX event_by_key ON event (tenant, project, name, key, at_us, id);
CREATE INDEX event_by_age ON event (at_us);
CREATE INDEX event_of_run ON event (run) WHERE run IS NOT NULL;

-- Runs that wait for an event: the next one of that name and key is told to them.
CREATE TABLE wanted (
    tenant  TEXT NOT NULL,
    project TEXT NOT NULL,
    name    TEXT NOT NULL,
    key     TEXT NOT NULL,
    run     BLOB NOT NULL REFERENCES run (id),
    PRIMARY KEY (tenant, project, name, key, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX wanted_by_run ON wanted (run);
