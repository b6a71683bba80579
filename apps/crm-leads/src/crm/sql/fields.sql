-- What the lead's card shows, with where it comes from.
SELECT field_value.field, field_value.value, field_value.set_by, field_value.version, claim.id, claim.confidence, claim.url, claim.run, claim.name
  FROM field_value LEFT JOIN claim ON claim.id = field_value.claim WHERE field_value.lead = :lead;
