-- Counts a message and, with :wake, wakes the run if nobody owns it. Only a pardon wakes a quarantined one, and forgets its strikes.
UPDATE run
   SET inbox_gen = inbox_gen + 1, updated_at_us = :now_us,
       strikes = CASE WHEN :pardon THEN 0 ELSE strikes END,
       status = CASE WHEN status = 'quarantined' AND :pardon THEN 'queued' ELSE status END,
       waits_for = CASE WHEN status = 'quarantined' AND :pardon THEN NULL ELSE waits_for END,
       wake_at_us = CASE
           WHEN owner IS NOT NULL OR NOT :wake THEN wake_at_us
           WHEN status = 'quarantined' AND NOT :pardon THEN NULL
           ELSE min(coalesce(wake_at_us, :now_us), :now_us)
       END
 WHERE id = :run;
