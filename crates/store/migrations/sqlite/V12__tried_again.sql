-- The run that tries a failed one again, which has a start key that says so; NULL: none does.
ALTER TABLE run ADD COLUMN again BLOB CHECK (again IS NULL OR length(again) = 16);
UPDATE run SET again = start_key.run FROM start_key JOIN run AS other ON other.id = start_key.run
 WHERE start_key.tenant = run.tenant AND start_key.workflow = run.workflow AND start_key.key = 'retry:run_' || lower(hex(run.id))
   AND other.fork_of = run.id;

-- Counts and lists tell runs that another one answers for from those that none does: what works for a run, or was tried again.
DROP TRIGGER run_counted;
DROP TRIGGER run_recounted;
DROP TRIGGER run_uncounted;
DROP TABLE run_count;
CREATE TABLE run_count (
    workflow TEXT NOT NULL,
    status   TEXT NOT NULL,
    failure  TEXT NOT NULL,
    covered  INTEGER NOT NULL CHECK (covered IN (0, 1)),
    runs     INTEGER NOT NULL,
    PRIMARY KEY (workflow, status, failure, covered)
) STRICT, WITHOUT ROWID;
INSERT INTO run_count (workflow, status, failure, covered, runs)
SELECT workflow, status, coalesce(failure, ''), parent IS NOT NULL OR again IS NOT NULL, count(*) FROM run GROUP BY 1, 2, 3, 4;

CREATE TRIGGER run_counted AFTER INSERT ON run BEGIN
    INSERT INTO run_count (workflow, status, failure, covered, runs)
    VALUES (new.workflow, new.status, coalesce(new.failure, ''), new.parent IS NOT NULL OR new.again IS NOT NULL, 1)
        ON CONFLICT (workflow, status, failure, covered) DO UPDATE SET runs = runs + 1;
END;
CREATE TRIGGER run_recounted AFTER UPDATE OF workflow, status, failure, parent, again ON run
WHEN new.workflow <> old.workflow OR new.status <> old.status OR new.failure IS NOT old.failure
     OR new.parent IS NOT old.parent OR new.again IS NOT old.again BEGIN
    UPDATE run_count SET runs = runs - 1
     WHERE workflow = old.workflow AND status = old.status AND failure = coalesce(old.failure, '')
       AND covered = (old.parent IS NOT NULL OR old.again IS NOT NULL);
    INSERT INTO run_count (workflow, status, failure, covered, runs)
    VALUES (new.workflow, new.status, coalesce(new.failure, ''), new.parent IS NOT NULL OR new.again IS NOT NULL, 1)
        ON CONFLICT (workflow, status, failure, covered) DO UPDATE SET runs = runs + 1;
END;
CREATE TRIGGER run_uncounted AFTER DELETE ON run BEGIN
    UPDATE run_count SET runs = runs - 1
     WHERE workflow = old.workflow AND status = old.status AND failure = coalesce(old.failure, '')
       AND covered = (old.parent IS NOT NULL OR old.again IS NOT NULL);
END;

DROP INDEX run_listed;
CREATE INDEX run_listed ON run (workflow, status, failure, (parent IS NOT NULL OR again IS NOT NULL));
