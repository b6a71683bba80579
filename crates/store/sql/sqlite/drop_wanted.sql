-- A run waits for an event no more; NULL: for none at all.
DELETE FROM wanted
 WHERE run = :run AND (:name IS NULL OR (tenant = :tenant AND project = :project AND name = :name AND key = :key));
