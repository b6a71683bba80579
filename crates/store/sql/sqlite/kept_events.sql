-- Events that are kept and that a run has not been told, oldest first. What those were told whose entries it inherited, it was told.
WITH RECURSIVE told (run, upto) AS (
  SELECT :run, 9223372036854775807
  UNION ALL
  SELECT run.fork_of, min(told.upto, run.fork_inbox) FROM told CROSS JOIN run
   WHERE run.id = told.run AND run.fork_of IS NOT NULL
)
SELECT id, called, sender, body, at_us FROM event
 WHERE tenant = :tenant AND project = :project AND name = :name AND key = :key AND at_us >= :since_us
   AND NOT EXISTS (SELECT 1 FROM told CROSS JOIN inbox
                    WHERE inbox.run = told.run AND inbox.id = 'event:' || event.id AND inbox.seq <= told.upto)
 ORDER BY at_us, id LIMIT :limit;
