-- Models that nobody asks for a while. `scope`: the project and its name of the model; `why`: what its provider had failed with, in `run`.
CREATE TABLE cooldown (
    scope    TEXT PRIMARY KEY,
    until_us INTEGER NOT NULL,
    why      TEXT NOT NULL,
    run      BLOB NOT NULL REFERENCES run (id),
    since_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
