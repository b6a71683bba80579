-- What became of a row.
UPDATE import_row SET outcome = :outcome, lead = :lead, says = :says WHERE batch = :batch AND line = :line;
