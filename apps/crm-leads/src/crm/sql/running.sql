-- Leads whose run has not said yet what came of it.
SELECT id, run FROM lead WHERE enrichment = 'running' AND run IS NOT NULL ORDER BY id LIMIT 50;
