-- A lead of which nothing is left to decide needs no look any more.
UPDATE lead SET enrichment = 'done'
 WHERE id = :lead AND enrichment = 'needs_review'
   AND NOT EXISTS (SELECT 1 FROM proposal JOIN claim ON claim.id = proposal.claim WHERE claim.lead = :lead AND proposal.state = 'open');
