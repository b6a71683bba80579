-- An approval is used up, once, in time, and only for what it was given for. No row changed: it cannot be, or its run has not read a
-- decision that outweighs a yes.
UPDATE approval SET state = 'consumed', closed_at_us = :now_us
 WHERE id = :id AND run = :run AND hash = :hash AND state = 'pending' AND (expires_at_us IS NULL OR expires_at_us > :now_us)
   AND NOT EXISTS (SELECT 1 FROM vote JOIN run ON run.id = :run
                    WHERE vote.approval = :id AND vote.decision <> 'approve' AND vote.seq > run.inbox_read);
