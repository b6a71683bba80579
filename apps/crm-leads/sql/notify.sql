-- The scores on the lead's card, how its enrichment stands, and one quiet line for its owner: one a run, however often this is asked for.
UPDATE lead
   SET fit_score = :fit, intent_score = :intent, enriched_by_run = :run,
       enrichment = CASE WHEN enrichment = 'queued' OR (enrichment = 'running' AND run IS NOT :run) THEN enrichment
                         WHEN EXISTS (SELECT 1 FROM proposal JOIN claim ON claim.id = proposal.claim
                                       WHERE claim.lead = :lead AND proposal.state = 'open')
                         THEN 'needs_review' ELSE 'done' END
 WHERE id = :lead;
INSERT INTO activity (lead, at_us, "by", text)
SELECT :lead, CAST(unixepoch('subsec') * 1000000 AS INTEGER), 'run', :text
 WHERE NOT EXISTS (SELECT 1 FROM notification WHERE lead = :lead AND run = :run);
INSERT INTO notification (lead, run, text, at_us, look)
SELECT id, :run, :text, CAST(unixepoch('subsec') * 1000000 AS INTEGER), 
       EXISTS (SELECT 1 FROM proposal JOIN claim ON claim.id = proposal.claim WHERE claim.lead = :lead AND proposal.state = 'open')
  FROM lead WHERE id = :lead
ON CONFLICT (lead, run) DO NOTHING;
SELECT id FROM notification WHERE lead = :lead AND run = :run;
