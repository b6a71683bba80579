-- Rows of runs that one handed their work, newest first.
SELECT id, tenant, workflow, bundle, status, waits_for, wake_at_us, doing, about, failure, epoch, owner, head, head_hash,
       inbox_gen, inbox_read, strikes, created_at_us, updated_at_us, finished_at_us, parent, cost_uusd,
       fork_of, fork_entry, fork_inbox, again
  FROM run WHERE parent = :parent AND id < :before ORDER BY id DESC;
