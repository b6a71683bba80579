-- A file. No row: there is none.
SELECT id, name, at_us, "by", header, columns, state FROM import_batch WHERE id = :batch;
