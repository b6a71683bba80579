-- Answers of models that are used again. `key`: over everything that decides the answer; `entry`: which entry of `run` holds it.
CREATE TABLE answer (
    key      BLOB PRIMARY KEY CHECK (length(key) = 32),
    run      BLOB NOT NULL REFERENCES run (id),
    entry    INTEGER NOT NULL CHECK (entry > 0),
    at_us    INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    value    BLOB NOT NULL
) STRICT;
CREATE INDEX answer_by_end ON answer (until_us, key);
CREATE INDEX answer_of_run ON answer (run);
