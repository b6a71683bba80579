-- The rows of a file in order, with what became of them.
SELECT line, cells, outcome, lead, says FROM import_row WHERE batch = :batch ORDER BY line;
