-- Appends of all runs after a number, in order, where their runs stand now, and whether they are over.
SELECT journal.no, journal.run, run.head, run.head_hash, run.finished_at_us IS NOT NULL AS is_over
  FROM journal JOIN run ON run.id = journal.run
 WHERE journal.no > :after
 ORDER BY journal.no LIMIT :limit;
