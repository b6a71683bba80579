-- One claim with its lead. No row: there is none.
SELECT claim.id, claim.lead, lead.company, claim.run, claim.name, claim.field, claim.value, claim.confidence, claim.url, claim.quote, claim.sha256
  FROM claim JOIN lead ON lead.id = claim.lead WHERE claim.id = :claim;
