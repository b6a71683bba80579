-- A run was started for a lead. One so quick that it is over already has said how it stands.
UPDATE lead
   SET run = :run,
       enrichment = CASE WHEN enriched_by_run IS NOT :run THEN 'running'
                         WHEN EXISTS (SELECT 1 FROM proposal JOIN claim ON claim.id = proposal.claim
                                       WHERE claim.lead = lead.id AND proposal.state = 'open') THEN 'needs_review'
                         ELSE 'done' END
 WHERE id = :lead;
