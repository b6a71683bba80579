-- The first schema. Times are microseconds since 1970 UTC, ids and digests raw bytes. A CHECK states what readers rely on.

-- What is true of the whole store. `format`: version of the journal's stored format.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('format', '1');

-- One row for each boot of a worker process; never reused, never resurrected.
CREATE TABLE worker (
    id             BLOB PRIMARY KEY CHECK (length(id) = 16),
    joined_at_us   INTEGER NOT NULL,
    lease_until_us INTEGER NOT NULL,
    dead_at_us     INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX worker_alive ON worker (lease_until_us) WHERE dead_at_us IS NULL;

CREATE TABLE bundle (
    digest        BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    bytes         BLOB NOT NULL,
    created_at_us INTEGER NOT NULL
) STRICT;

-- The dispatch table and the summary of a run. What every append reads or writes stands first.
CREATE TABLE run (
    id             BLOB PRIMARY KEY CHECK (length(id) = 16),
    epoch          INTEGER NOT NULL CHECK (epoch >= 0),
    owner          BLOB REFERENCES worker (id),
    head           INTEGER NOT NULL CHECK (head >= 1),
    head_no        INTEGER NOT NULL,          -- journal.no of the last entry
    inbox_gen      INTEGER NOT NULL DEFAULT 0,
    inbox_read     INTEGER NOT NULL DEFAULT 0,
    strikes        INTEGER NOT NULL DEFAULT 0 CHECK (strikes >= 0),
    updated_at_us  INTEGER NOT NULL,
    head_hash      BLOB NOT NULL CHECK (length(head_hash) = 32),
    status         TEXT NOT NULL CHECK (status IN ('queued', 'running', 'waiting', 'paused', 'blocked', 'quarantined',
                                                   'completed', 'failed', 'cancelled')),
    wake_at_us     INTEGER,
    bundle         BLOB NOT NULL REFERENCES bundle (digest),
    tenant         TEXT NOT NULL,
    workflow       TEXT NOT NULL,
    input          BLOB NOT NULL CHECK (length(input) = 32),
    waits_for      TEXT,
    doing          TEXT,
    failure        TEXT,
    about          TEXT NOT NULL,             -- a JSON map of texts
    created_at_us  INTEGER NOT NULL,
    finished_at_us INTEGER,
    CONSTRAINT never_lost CHECK (
        CASE status
            WHEN 'queued' THEN wake_at_us IS NOT NULL AND owner IS NULL
            WHEN 'running' THEN owner IS NOT NULL AND wake_at_us IS NULL
            ELSE owner IS NULL
        END),
    CONSTRAINT wait_named CHECK (
        status NOT IN ('waiting', 'paused', 'blocked', 'quarantined')
        OR (waits_for IS NOT NULL AND (status <> 'quarantined' OR wake_at_us IS NULL))),
    CONSTRAINT terminal_clean CHECK (
        (status IN ('completed', 'failed', 'cancelled')) = (finished_at_us IS NOT NULL)
        AND (finished_at_us IS NULL OR wake_at_us IS NULL)),
    CONSTRAINT inbox_counts CHECK (inbox_read BETWEEN 0 AND inbox_gen)
) STRICT, WITHOUT ROWID;

CREATE INDEX run_due ON run (wake_at_us, id, strikes) WHERE owner IS NULL AND wake_at_us IS NOT NULL;
CREATE INDEX run_owned ON run (owner, strikes) WHERE owner IS NOT NULL;
CREATE INDEX run_blocked ON run (id) WHERE status = 'blocked';

-- Append-only, in the order of commits: entries of different runs stand side by side, so that a commit of many runs dirties few
-- pages. `prev` leads to the run's entry before (0 before the first); run.head_no is where to begin.
CREATE TABLE journal (
    no     INTEGER PRIMARY KEY,
    run    BLOB NOT NULL,
    seq    INTEGER NOT NULL,
    prev   INTEGER NOT NULL,
    epoch  INTEGER NOT NULL,
    at_us  INTEGER NOT NULL,
    salt   BLOB NOT NULL,
    digest BLOB NOT NULL,
    hash   BLOB NOT NULL,
    body   BLOB                               -- NULL once it has been erased
) STRICT;

-- Every 64th entry of a run, so that a page in the middle of a long journal is found without walking all of it.
CREATE TABLE journal_mark (
    run BLOB NOT NULL,
    seq INTEGER NOT NULL,
    no  INTEGER NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

-- A run's messages; seq is run.inbox_gen after it was counted up.
CREATE TABLE inbox (
    run    BLOB NOT NULL REFERENCES run (id),
    seq    INTEGER NOT NULL,
    id     TEXT NOT NULL,
    kind   TEXT NOT NULL,
    name   TEXT NOT NULL,
    sender TEXT NOT NULL,
    body   BLOB NOT NULL,
    at_us  INTEGER NOT NULL,
    PRIMARY KEY (run, seq),
    UNIQUE (run, id)
) STRICT, WITHOUT ROWID;

-- Bytes that entries name, kept once per run and never shared between runs. NULL once erased.
CREATE TABLE blob (
    run    BLOB NOT NULL REFERENCES run (id),
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    bytes  BLOB,
    UNIQUE (run, digest)
) STRICT;

-- Which run a start key belongs to.
CREATE TABLE start_key (
    tenant   TEXT NOT NULL,
    workflow TEXT NOT NULL,
    key      TEXT NOT NULL,
    run      BLOB NOT NULL REFERENCES run (id),
    PRIMARY KEY (tenant, workflow, key)
) STRICT, WITHOUT ROWID;

-- Actions whose outcome is not recorded yet.
CREATE TABLE open_action (
    run      BLOB NOT NULL REFERENCES run (id),
    step     TEXT NOT NULL,
    action   TEXT NOT NULL,
    effect   TEXT NOT NULL,
    key      TEXT NOT NULL,
    attempt  INTEGER NOT NULL,
    since_us INTEGER NOT NULL,
    PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;

-- Answers that fenced workers still got. Insert only.
CREATE TABLE late_result (
    run     BLOB NOT NULL REFERENCES run (id),
    step    TEXT NOT NULL,
    epoch   INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    outcome BLOB NOT NULL,
    at_us   INTEGER NOT NULL,
    PRIMARY KEY (run, step, epoch, attempt)
) STRICT, WITHOUT ROWID;
