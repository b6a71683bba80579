-- Events that nobody has taken, oldest first.
SELECT id, event, lead, version, body, "by" FROM outbox WHERE run IS NULL AND failure IS NULL ORDER BY id LIMIT 20;
