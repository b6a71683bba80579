-- The article that fits, or none: reviewed in the year before, with a word of each of its groups in what was written, and no other fits as well.
WITH fitting AS (
    SELECT id, version, title, text, json_array_length(fits) AS groups FROM kb_article
     WHERE category = :category AND julianday(reviewed_at) > julianday(:at) - 365
       AND NOT EXISTS (SELECT 1 FROM json_each(fits) AS needed
                        WHERE NOT EXISTS (SELECT 1 FROM json_each(needed.value) AS word
                                           WHERE instr(:words, ' ' || word.value || ' ') > 0)))
SELECT id, version, title, text FROM fitting
 WHERE groups = (SELECT max(groups) FROM fitting)
   AND 1 = (SELECT count(*) FROM fitting AS other WHERE other.groups = (SELECT max(groups) FROM fitting));
