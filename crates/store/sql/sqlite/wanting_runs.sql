-- Runs that wait for an event.
SELECT run FROM wanted
 WHERE tenant = :tenant AND project = :project AND name = :name AND key = :key
 ORDER BY run;
