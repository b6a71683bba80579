-- The versions that runs of a workflow follow: how many runs, the first and the last of them. NULL in a bound: none.
SELECT bundle, count(*) AS runs, min(id) AS first, max(id) AS last
  FROM run
 WHERE workflow = :workflow
   AND (:after IS NULL OR id > :after)
   AND (:upto IS NULL OR id <= :upto)
 GROUP BY bundle ORDER BY bundle;
