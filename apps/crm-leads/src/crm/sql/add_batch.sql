-- A file that was sent.
INSERT INTO import_batch (name, at_us, "by", header, columns) VALUES (:name, :now_us, :by, :header, :columns) RETURNING id;
