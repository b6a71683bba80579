-- What people say came of runs of a workflow, newest run first. NULL in a filter means all.
SELECT run, by, auth, correct, because, at_us
  FROM outcome
 WHERE workflow = :workflow
   AND correct BETWEEN :least AND :most
   AND (:since IS NULL OR run >= :since)
 ORDER BY run DESC, by LIMIT :limit;
