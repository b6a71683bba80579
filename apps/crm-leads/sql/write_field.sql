-- A claim about a field of a lead. It is applied if its decision says so and the field is still as the run saw it; a person's value stays.
INSERT INTO claim (lead, run, name, field, value, confidence, ci_low, url, quote, sha256)
VALUES (:lead, :run, :claim, :field, :value, :confidence, :ci_low, :url, :quote, :sha256);

INSERT INTO field_value (lead, field, value, set_by, claim, version)
SELECT :lead, :field, :value, 'run', id, 1 FROM claim
 WHERE lead = :lead AND run = :run AND name = :claim AND :decision = 'apply'
   AND NOT EXISTS (SELECT 1 FROM field_value WHERE lead = :lead AND field = :field);

UPDATE field_value
   SET value = :value, version = version + 1, claim = (SELECT id FROM claim WHERE lead = :lead AND run = :run AND name = :claim)
 WHERE lead = :lead AND field = :field AND :decision = 'apply' AND :mode = 'overwrite' AND set_by = 'run' AND version = :seen_version
   AND claim IS NOT (SELECT id FROM claim WHERE lead = :lead AND run = :run AND name = :claim);

INSERT INTO proposal (claim, reason)
SELECT claim.id,
       CASE WHEN :decision = 'propose' THEN :reason
            WHEN now.set_by = 'person' THEN 'a person has set it'
            ELSE 'it was filled already' END
  FROM claim LEFT JOIN field_value AS now ON now.lead = claim.lead AND now.field = claim.field
 WHERE claim.lead = :lead AND claim.run = :run AND claim.name = :claim AND now.claim IS NOT claim.id
   AND now.value IS NOT claim.value;

SELECT claim.field AS field,
       CASE WHEN now.claim = claim.id THEN 'applied'
            WHEN now.value = claim.value AND now.set_by = 'person' THEN 'kept'
            WHEN now.value = claim.value THEN 'applied'
            WHEN now.set_by = 'person' THEN 'kept'
            ELSE 'proposed' END AS outcome,
       proposal.reason AS reason
  FROM claim
  LEFT JOIN field_value AS now ON now.lead = claim.lead AND now.field = claim.field
  LEFT JOIN proposal ON proposal.claim = claim.id
 WHERE claim.lead = :lead AND claim.run = :run AND claim.name = :claim;
