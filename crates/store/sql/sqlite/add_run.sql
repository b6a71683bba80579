-- A new run with its first entries: queued and due, or in the hands of its owner.
INSERT INTO run (id, epoch, owner, head, head_no, updated_at_us, head_hash, status, wake_at_us, bundle, tenant, workflow, input,
                 about, created_at_us, key, parent, cost_uusd, fork_of, fork_entry, fork_inbox, inbox_gen, inbox_read)
VALUES (:run, :epoch, :owner, :head, :head_no, :now_us, :head_hash, :status, :wake_at_us, :bundle, :tenant, :workflow, :input,
        :about, :now_us, :key, :parent, 0, :fork_of, :fork_entry, :fork_inbox, :inbox, :inbox);
