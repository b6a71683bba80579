-- The lead is to be enriched once more: another version, so another run.
UPDATE lead SET version = version + 1, enrichment = 'queued' WHERE id = :lead AND enrichment NOT IN ('queued', 'running') RETURNING version;
