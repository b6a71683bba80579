-- A proposal is decided, and with it older ones about the same field. Zero rows: it was decided already.
UPDATE proposal
   SET state = CASE WHEN claim = :claim THEN :state ELSE 'rejected' END, decided_by = :by, decided_at_us = :now_us
 WHERE state = 'open' AND EXISTS (SELECT 1 FROM proposal WHERE claim = :claim AND state = 'open')
   AND claim IN (SELECT other.id FROM claim AS one JOIN claim AS other ON other.lead = one.lead AND other.field = one.field
                  WHERE one.id = :claim AND other.id <= one.id);
