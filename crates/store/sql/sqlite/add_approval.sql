-- An approval is asked for. No row changed: its id is taken.
INSERT INTO approval (id, run, step, hash, shown, groups, quorum, requested_by, requested_at_us, expires_at_us, state, card)
VALUES (:id, :run, :step, :hash, :shown, :groups, :quorum, :requested_by, :requested_at_us, :expires_at_us, 'pending', :card)
    ON CONFLICT (id) DO NOTHING;
