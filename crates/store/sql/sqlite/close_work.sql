-- Work of a run is done or not needed any more; without an id, all of it. No row changed: it is not open.
UPDATE work SET closed_at_us = :now_us WHERE run = :run AND (:id IS NULL OR id = :id) AND closed_at_us IS NULL;
