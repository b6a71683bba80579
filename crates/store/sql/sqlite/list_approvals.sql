-- Approvals, oldest first. NULL in a filter means all; an id is found in any state.
-- Nothing comes after an approval that is not there.
SELECT id, run, step, hash, shown, groups, quorum, requested_by, requested_at_us, expires_at_us, state, closed_at_us, card
  FROM approval
 WHERE (:id IS NULL OR id = :id)
   AND (:run IS NULL OR run = :run)
   AND (:group IS NULL OR EXISTS (SELECT 1 FROM json_each(approval.groups) AS item WHERE item.value = :group))
   AND (:closed OR state = 'pending')
   AND (:after IS NULL OR (requested_at_us, id) > (SELECT last.requested_at_us, last.id FROM approval AS last WHERE last.id = :after))
 ORDER BY requested_at_us, id LIMIT :limit;
