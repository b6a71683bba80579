-- Rows that name a row that is not there.
SELECT "table", "parent", count(*) FROM pragma_foreign_key_check GROUP BY "table", "parent" ORDER BY "table", "parent";
