-- Rows of runs, newest first. NULL in a filter means all; :status is a JSON list.
SELECT id, tenant, workflow, bundle, status, waits_for, wake_at_us, doing, about, failure, epoch, owner, head, head_hash,
       inbox_gen, inbox_read, strikes, created_at_us, updated_at_us, finished_at_us, parent,
       fork_of, fork_entry, fork_inbox
  FROM run
 WHERE (:before IS NULL OR id < :before)
   AND (:status IS NULL OR status IN (SELECT value FROM json_each(:status)))
   AND (:workflow IS NULL OR workflow = :workflow)
   AND (:parent IS NULL OR parent = :parent)
   AND (:fork_of IS NULL OR fork_of = :fork_of)
   AND (:key IS NULL OR EXISTS (SELECT 1 FROM json_each(run.about) AS pair WHERE pair.key = :key AND pair.value = :value))
 ORDER BY id DESC LIMIT :limit;
