-- Leads of this name with their country and site, a few of them.
SELECT id, company, country, key_site FROM lead WHERE key_name = :key ORDER BY created_at_us, id LIMIT 6;
