-- A lead has changed.
UPDATE lead SET version = version + 1 WHERE id = :lead;
