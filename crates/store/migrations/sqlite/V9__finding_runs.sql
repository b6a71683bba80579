-- What many runs are found, listed and counted by.

-- Keys of runs, as many as are told: `about` a business key, `start` the key a run was started with, `event` the id of an event that it was
-- told, `outside` what something that it did is known by there. Upper and lower case of ASCII letters are one.
CREATE TABLE run_key (
    value TEXT NOT NULL COLLATE NOCASE CHECK (value <> ''),
    run   BLOB NOT NULL REFERENCES run (id),
    kind  TEXT NOT NULL CHECK (kind IN ('about', 'start', 'event', 'outside')),
    name  TEXT NOT NULL,
    PRIMARY KEY (value, run, kind, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_key_by_run ON run_key (run);

INSERT OR IGNORE INTO run_key (value, run, kind, name)
SELECT substr(pair.value, 1, 200), run.id, 'about', pair.key FROM run, json_each(run.about) AS pair WHERE pair.value <> '';
INSERT OR IGNORE INTO run_key (value, run, kind, name)
SELECT substr(key, 1, 200), run, 'start', '' FROM start_key WHERE key <> '';

-- How the publisher calls an event, where that is not its id.
ALTER TABLE event ADD COLUMN called TEXT;

-- What models were charged for a run. NULL: not known; so for every run that began before this was kept.
ALTER TABLE run ADD COLUMN cost_uusd INTEGER CHECK (cost_uusd IS NULL OR cost_uusd >= 0);

-- How many runs of a workflow stand so; `failure`: '' if there is none. Triggers keep it, so that no statement can forget to. They are not
-- run by what an append does to its run's row unless its status changes, and no count ever refuses a change: `db check` compares.
CREATE TABLE run_count (
    workflow TEXT NOT NULL,
    status   TEXT NOT NULL,
    failure  TEXT NOT NULL,
    runs     INTEGER NOT NULL,
    PRIMARY KEY (workflow, status, failure)
) STRICT, WITHOUT ROWID;
INSERT INTO run_count (workflow, status, failure, runs)
SELECT workflow, status, coalesce(failure, ''), count(*) FROM run GROUP BY 1, 2, 3;

CREATE TRIGGER run_counted AFTER INSERT ON run BEGIN
    INSERT INTO run_count (workflow, status, failure, runs) VALUES (new.workflow, new.status, coalesce(new.failure, ''), 1)
        ON CONFLICT (workflow, status, failure) DO UPDATE SET runs = runs + 1;
END;
CREATE TRIGGER run_recounted AFTER UPDATE OF workflow, status, failure ON run
WHEN new.workflow <> old.workflow OR new.status <> old.status OR new.failure IS NOT old.failure BEGIN
    UPDATE run_count SET runs = runs - 1
     WHERE workflow = old.workflow AND status = old.status AND failure = coalesce(old.failure, '');
    INSERT INTO run_count (workflow, status, failure, runs) VALUES (new.workflow, new.status, coalesce(new.failure, ''), 1)
        ON CONFLICT (workflow, status, failure) DO UPDATE SET runs = runs + 1;
END;
CREATE TRIGGER run_uncounted AFTER DELETE ON run BEGIN
    UPDATE run_count SET runs = runs - 1
     WHERE workflow = old.workflow AND status = old.status AND failure = coalesce(old.failure, '');
END;

-- The runs behind each count, in order: a list of any of them is put together from these, however few they are among how many.
CREATE INDEX run_listed ON run (workflow, status, failure);

CREATE INDEX open_action_unknown ON open_action (run, step) WHERE state = 'unknown';
CREATE INDEX approval_listed ON approval (requested_at_us, id);
CREATE INDEX work_opened ON work (opened_at_us, id) WHERE closed_at_us IS NULL;
CREATE INDEX work_listed ON work (opened_at_us, id);
