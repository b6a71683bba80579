-- The lead with this address; at most one.
SELECT id, company FROM lead WHERE key_email = :key;
