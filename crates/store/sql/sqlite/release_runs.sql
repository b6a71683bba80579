-- Takes all runs from a worker, in a new epoch each: due at once, or quarantined on their last strike.
-- :strike is 1 when the worker died and 0 when it left; :step is 1.
UPDATE run
   SET owner = NULL, epoch = epoch + :step, strikes = strikes + :strike, updated_at_us = :now_us,
       status = CASE WHEN :strike = 1 AND strikes + 1 >= :most THEN 'quarantined' ELSE 'queued' END,
       wake_at_us = CASE WHEN :strike = 1 AND strikes + 1 >= :most THEN NULL ELSE :now_us END,
       waits_for = CASE WHEN :strike = 1 AND strikes + 1 >= :most THEN :quarantine END
 WHERE owner = :worker;
