-- Runs that are found by a business key of this name, newest first; case is not compared here. NULL in a filter means all; :status is a JSON
-- list.
SELECT run_key.run AS run FROM run_key CROSS JOIN run ON run.id = run_key.run
 WHERE run_key.value = :value AND run_key.run < :before AND run_key.kind = 'about' AND run_key.name = :name
   AND (:status IS NULL OR run.status IN (SELECT value FROM json_each(:status)))
   AND (:workflow IS NULL OR run.workflow = :workflow)
   AND (:failure IS NULL OR run.failure = :failure)
   AND (:covered IS NULL OR (run.parent IS NOT NULL OR run.again IS NOT NULL) = :covered)
 ORDER BY run_key.run DESC;
