-- What governed actions need: policies and limits that change while runs go on, counters, approvals, budgets, work for people,
-- messages that leave. Each row is written with the journal entry that causes it. Amounts are integers; a bare count is in the unit
-- that its row names.

-- The run's own key, for hashes over what must stay secret once the run was erased. NULL: erased.
ALTER TABLE run ADD COLUMN key BLOB CHECK (key IS NULL OR length(key) = 32);
UPDATE run SET key = randomblob(32);

-- `unknown`: nobody can tell whether it happened; it stays so until its answer is recorded.
ALTER TABLE open_action ADD COLUMN state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'unknown'));

-- Which deployment this is; a copy of the data says the same.
INSERT INTO meta (key, value) VALUES ('instance_id', lower(hex(randomblob(16))));

-- What all runs are judged by, change by change: append-only and hash-chained. The number of the last one is the generation.
CREATE TABLE governance (
    no    INTEGER PRIMARY KEY CHECK (no >= 1),
    at_us INTEGER NOT NULL,
    who   TEXT NOT NULL,
    auth  TEXT NOT NULL,
    body  BLOB NOT NULL,
    hash  BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- How often each counter has changed.
CREATE TABLE counter (
    name    TEXT PRIMARY KEY,
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

-- What was counted; `version`: of its counter, after it.
CREATE TABLE counted (
    counter TEXT NOT NULL REFERENCES counter (name),
    at_us   INTEGER NOT NULL,
    version INTEGER NOT NULL,
    amount  INTEGER NOT NULL CHECK (amount >= 0),
    run     BLOB NOT NULL REFERENCES run (id),
    step    TEXT NOT NULL,
    PRIMARY KEY (counter, at_us, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX counted_by_step ON counted (run, step);

-- What a person decides, for one run and one hash of what is to be done. `card`: NULL once erased.
CREATE TABLE approval (
    id              TEXT NOT NULL UNIQUE,
    run             BLOB NOT NULL REFERENCES run (id),
    step            TEXT NOT NULL,
    hash            BLOB NOT NULL CHECK (length(hash) = 32),
    shown           BLOB NOT NULL CHECK (length(shown) = 32),
    groups          TEXT NOT NULL,            -- a JSON list of texts
    quorum          INTEGER NOT NULL CHECK (quorum >= 1),
    requested_by    TEXT NOT NULL,
    requested_at_us INTEGER NOT NULL,
    expires_at_us   INTEGER,
    state           TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'consumed', 'rejected', 'expired', 'superseded',
                                                   'cancelled')),
    closed_at_us    INTEGER,
    card            BLOB,
    CONSTRAINT closed_once CHECK ((state = 'pending') = (closed_at_us IS NULL)),
    CONSTRAINT used_in_time CHECK (state <> 'consumed' OR expires_at_us IS NULL OR closed_at_us < expires_at_us)
) STRICT;

CREATE INDEX approval_pending ON approval (requested_at_us, id) WHERE state = 'pending';
CREATE INDEX approval_by_run ON approval (run);

-- One vote a person; `seq`: the message that tells it to the run.
CREATE TABLE vote (
    approval TEXT NOT NULL REFERENCES approval (id),
    voter    TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('approve', 'reject', 'edit', 'answer')),
    shown    BLOB NOT NULL CHECK (length(shown) = 32),
    seq      INTEGER NOT NULL CHECK (seq >= 1),
    at_us    INTEGER NOT NULL,
    PRIMARY KEY (approval, voter)
) STRICT, WITHOUT ROWID;

-- Sums. `most`: the limit that the last reservation was made under; what was billed above its reservation is an overrun.
CREATE TABLE budget (
    scope     TEXT NOT NULL,
    unit      TEXT NOT NULL,
    period_us INTEGER NOT NULL,               -- 0: none
    most      INTEGER NOT NULL CHECK (most >= 0),
    settled   INTEGER NOT NULL CHECK (settled >= 0),
    reserved  INTEGER NOT NULL CHECK (reserved >= 0),
    overrun   INTEGER NOT NULL DEFAULT 0 CHECK (overrun >= 0),
    frozen    INTEGER NOT NULL DEFAULT 0 CHECK (frozen IN (0, 1)),
    PRIMARY KEY (scope, unit, period_us),
    CONSTRAINT never_overspent CHECK (settled + reserved <= most + overrun)
) STRICT, WITHOUT ROWID;

CREATE INDEX budget_frozen ON budget (scope) WHERE frozen = 1;

-- Reservations that nothing has settled or forfeited yet.
CREATE TABLE reservation (
    run       BLOB NOT NULL REFERENCES run (id),
    step      TEXT NOT NULL,
    scope     TEXT NOT NULL,
    unit      TEXT NOT NULL,
    period_us INTEGER NOT NULL,
    amount    INTEGER NOT NULL CHECK (amount >= 0),
    since_us  INTEGER NOT NULL,
    PRIMARY KEY (run, step, scope, unit, period_us),
    FOREIGN KEY (scope, unit, period_us) REFERENCES budget (scope, unit, period_us)
) STRICT, WITHOUT ROWID;

-- What people do for a run. `card`: NULL once erased.
CREATE TABLE work (
    id            TEXT NOT NULL UNIQUE,
    run           BLOB NOT NULL REFERENCES run (id),
    step          TEXT NOT NULL,
    queue         TEXT NOT NULL,
    opened_at_us  INTEGER NOT NULL,
    due_at_us     INTEGER,
    claimed_by    TEXT,
    claimed_at_us INTEGER,
    closed_at_us  INTEGER,
    card          BLOB,
    CONSTRAINT claimed_by_somebody CHECK ((claimed_by IS NULL) = (claimed_at_us IS NULL))
) STRICT;

CREATE INDEX work_open ON work (queue, opened_at_us, id) WHERE closed_at_us IS NULL;
CREATE INDEX work_by_run ON work (run);

-- Messages that leave, each at least once. `next_at_us`: when it is tried; NULL: it has left. `body`: NULL once erased.
CREATE TABLE outbox (
    id         TEXT NOT NULL UNIQUE,
    run        BLOB NOT NULL REFERENCES run (id),
    channel    TEXT NOT NULL,
    at_us      INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_at_us INTEGER,
    body       BLOB
) STRICT;

CREATE INDEX outbox_due ON outbox (next_at_us, id) WHERE next_at_us IS NOT NULL;
CREATE INDEX outbox_by_run ON outbox (run);

-- How far each rate limit is used up: the time at which it would be unused again, and the time before which nobody may.
CREATE TABLE rate (
    bucket        TEXT PRIMARY KEY,
    tat_us        INTEGER NOT NULL,
    not_before_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Heads of journals, sealed together from time to time. `upto`: the last row of `journal` that was looked at; `heads`: run, number and
-- hash of each, one after the other, 56 bytes each.
CREATE TABLE seal (
    no        INTEGER PRIMARY KEY CHECK (no >= 1),
    at_us     INTEGER NOT NULL,
    upto      INTEGER NOT NULL,
    prev      BLOB NOT NULL CHECK (length(prev) = 32),
    hash      BLOB NOT NULL CHECK (length(hash) = 32),
    heads     BLOB NOT NULL CHECK (length(heads) % 56 = 0),
    key_id    TEXT,
    signature BLOB
) STRICT;
