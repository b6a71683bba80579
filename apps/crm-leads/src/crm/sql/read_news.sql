-- Somebody has seen what there was up to :upto.
UPDATE notification SET state = 'read'
 WHERE state <> 'read' AND id <= :upto
   AND (:person = '' OR lead IN (SELECT id FROM lead WHERE owner IS NULL OR owner = :person));
