-- What waits for a decision: of each field of a lead the newest. :lead empty: of all leads, oldest first.
SELECT claim.id, claim.lead, lead.company, claim.field, claim.value, claim.confidence, claim.url, claim.quote, proposal.reason,
       now.value, now.set_by, coalesce(now.version, 0), coalesce(lead.owner, '')
  FROM proposal
  JOIN claim ON claim.id = proposal.claim
  JOIN lead ON lead.id = claim.lead
  LEFT JOIN field_value AS now ON now.lead = claim.lead AND now.field = claim.field
 WHERE proposal.state = 'open' AND (:lead = '' OR claim.lead = :lead)
   AND NOT EXISTS (SELECT 1 FROM claim AS newer JOIN proposal AS open ON open.claim = newer.id
                    WHERE newer.lead = claim.lead AND newer.field = claim.field AND newer.id > claim.id AND open.state = 'open')
 ORDER BY claim.id LIMIT :limit;
