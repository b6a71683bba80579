-- Approvals, oldest first. NULL in a filter means all; an id is found in any state.
SELECT id, run, step, hash, shown, groups, quorum, requested_by, requested_at_us, expires_at_us, state, closed_at_us, card
  FROM approval
 WHERE (:id IS NULL OR id = :id)
   AND (:run IS NULL OR run = :run)
   AND (:group IS NULL OR EXISTS (SELECT 1 FROM json_each(approval.groups) AS item WHERE item.value = :group))
   AND (:closed OR state = 'pending')
 ORDER BY requested_at_us, id LIMIT :limit;
