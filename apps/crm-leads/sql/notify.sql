-- The scores on the lead's card, and one quiet line for its owner: one a run, however often this is asked for.
UPDATE lead SET fit_score = :fit, intent_score = :intent, enriched_by_run = :run WHERE id = :lead;
INSERT INTO notification (lead, run, text) VALUES (:lead, :run, :text) ON CONFLICT (lead, run) DO NOTHING;
SELECT id FROM notification WHERE lead = :lead AND run = :run;
