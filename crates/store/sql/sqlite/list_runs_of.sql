-- As `list_runs`, for one workflow: by its own index, so that a rare one is found among many others.
SELECT id, tenant, workflow, bundle, status, waits_for, wake_at_us, doing, about, failure, epoch, owner, head, head_hash,
       inbox_gen, inbox_read, strikes, created_at_us, updated_at_us, finished_at_us, parent
  FROM run
 WHERE (:before IS NULL OR id < :before)
   AND (:status IS NULL OR status IN (SELECT value FROM json_each(:status)))
   AND workflow = :workflow
   AND (:parent IS NULL OR parent = :parent)
   AND (:key IS NULL OR EXISTS (SELECT 1 FROM json_each(run.about) AS pair WHERE pair.key = :key AND pair.value = :value))
 ORDER BY id DESC LIMIT :limit;
