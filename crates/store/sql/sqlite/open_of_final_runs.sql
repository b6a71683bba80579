-- What is still open although its run is over.
SELECT approval.run, 'approval' AS what, approval.id AS id
  FROM approval JOIN run ON run.id = approval.run
 WHERE approval.state = 'pending' AND run.finished_at_us IS NOT NULL
 UNION ALL
SELECT work.run, 'work', work.id
  FROM work JOIN run ON run.id = work.run
 WHERE work.closed_at_us IS NULL AND run.finished_at_us IS NOT NULL
 ORDER BY what, id;
