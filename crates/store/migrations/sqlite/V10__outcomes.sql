-- What people say came of runs that are over. The last word of each counts; `workflow` is that of the run.
-- `because` is short enough to stand within its page: an earlier word that it takes the place of leaves nothing behind.
CREATE TABLE outcome (
    run      BLOB NOT NULL REFERENCES run (id),
    by       TEXT NOT NULL,
    auth     TEXT NOT NULL,
    workflow TEXT NOT NULL,
    correct  INTEGER NOT NULL CHECK (correct IN (0, 1)),
    because  TEXT NOT NULL CHECK (length(CAST(because AS BLOB)) <= 2000),
    at_us    INTEGER NOT NULL,
    UNIQUE (run, by)
) STRICT;
CREATE INDEX outcome_by_workflow ON outcome (workflow, correct, run);
-- The runs of one workflow, newest first, and the versions that they follow, without reading the others.
CREATE INDEX run_by_workflow ON run (workflow, id, bundle);
