-- Approvals that nobody has decided, oldest first. No group means all.
SELECT id, run, step, hash, shown, groups, quorum, requested_by, requested_at_us, expires_at_us, state, closed_at_us, card
  FROM approval
 WHERE state = 'pending' AND (requested_at_us, id) > (:after_us, :after)
   AND (:group IS NULL OR EXISTS (SELECT 1 FROM json_each(approval.groups) AS item WHERE item.value = :group))
 ORDER BY requested_at_us, id LIMIT :limit;
