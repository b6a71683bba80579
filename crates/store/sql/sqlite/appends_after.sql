-- Appends of all runs after a number, in order, and where their runs stand now.
SELECT journal.no, journal.run, run.head, run.head_hash
  FROM journal JOIN run ON run.id = journal.run
 WHERE journal.no > :after
 ORDER BY journal.no LIMIT :limit;
