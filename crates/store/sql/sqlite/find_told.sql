-- Whether a run was told a message, or those whose entries it inherited were.
WITH RECURSIVE told (run, upto) AS (
  SELECT :run, 9223372036854775807
  UNION ALL
  SELECT run.fork_of, min(told.upto, run.fork_inbox) FROM told CROSS JOIN run
   WHERE run.id = told.run AND run.fork_of IS NOT NULL
)
SELECT 1 FROM told CROSS JOIN inbox
 WHERE inbox.run = told.run AND inbox.id = :id AND inbox.seq <= told.upto LIMIT 1;
