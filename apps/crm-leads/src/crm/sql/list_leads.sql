-- Leads, newest first: of one state, and whose name, site or contact holds :words. Empty texts ask for nothing.
SELECT id, company, coalesce(domain, key_site, ''), enrichment, fit_score, intent_score, coalesce(owner, ''), created_at_us,
       (SELECT count(*) FROM proposal JOIN claim ON claim.id = proposal.claim WHERE claim.lead = lead.id AND proposal.state = 'open')
  FROM lead
 WHERE (:state = '' OR enrichment = :state)
   AND (:words = '' OR instr(lower(company || ' ' || coalesce(domain, '') || ' ' || coalesce(email, '') || ' ' || given_name || ' ' || family_name),
                             lower(:words)) > 0)
 ORDER BY created_at_us DESC, id LIMIT :limit OFFSET :skip;
