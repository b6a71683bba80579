-- Leads of this site, a few of them.
SELECT id, company FROM lead WHERE key_site = :key ORDER BY created_at_us, id LIMIT 6;
