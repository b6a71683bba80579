-- How many runs there are, counted anew, as they are kept.
SELECT workflow, status, coalesce(failure, '') AS failure, parent IS NOT NULL OR again IS NOT NULL AS covered, count(*) AS runs
  FROM run GROUP BY 1, 2, 3, 4;
