-- The last run of a lead brought nothing, or none could be started. Zero rows: it stands otherwise.
UPDATE lead SET enrichment = 'failed' WHERE id = :lead AND enrichment IN ('queued', 'running');
