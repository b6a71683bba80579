-- Leads whose run has not said yet what came of it, after one of them.
SELECT id, run FROM lead WHERE enrichment = 'running' AND run IS NOT NULL AND id > :after ORDER BY id LIMIT :limit;
