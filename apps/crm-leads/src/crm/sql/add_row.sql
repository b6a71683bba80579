-- A row of it.
INSERT INTO import_row (batch, line, cells) VALUES (:batch, :line, :cells);
