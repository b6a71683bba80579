-- One approval, in any state.
SELECT id, run, step, hash, shown, groups, quorum, requested_by, requested_at_us, expires_at_us, state, closed_at_us, card
  FROM approval
 WHERE id = :id;
