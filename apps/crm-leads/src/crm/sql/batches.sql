-- The files that were sent last.
SELECT id, name, at_us, state, (SELECT count(*) FROM import_row WHERE batch = import_batch.id) FROM import_batch ORDER BY id DESC LIMIT 10;
