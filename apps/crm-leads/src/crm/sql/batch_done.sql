-- The file is imported. Zero rows: it was already.
UPDATE import_batch SET state = 'imported' WHERE id = :batch AND state = 'open';
