-- The runs behind one count that have a business key, newest first; '' is no failure.
SELECT id FROM run
 WHERE workflow = :workflow AND status = :status AND failure IS nullif(:failure, '')
   AND (parent IS NOT NULL OR again IS NOT NULL) = :covered AND id < :before
   AND EXISTS (SELECT 1 FROM run_key
                WHERE run_key.value = :value AND run_key.run = run.id AND run_key.kind = 'about' AND run_key.name = :name
                  AND run_key.value COLLATE BINARY = :value)
 ORDER BY id DESC LIMIT :limit;
