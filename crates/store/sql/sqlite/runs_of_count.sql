-- The runs behind one count, newest first; '' is no failure.
SELECT id FROM run
 WHERE workflow = :workflow AND status = :status AND failure IS nullif(:failure, '')
   AND (parent IS NOT NULL OR again IS NOT NULL) = :covered AND id < :before ORDER BY id DESC LIMIT :limit;
