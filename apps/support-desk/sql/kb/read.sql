-- An article by its id, if it was reviewed in the year before.
SELECT id, version, title, text FROM kb_article WHERE id = :id AND julianday(reviewed_at) > julianday(:at) - 365;
