-- Runs that are tried again, by their rows, by one that does not go on from them.
SELECT run.id AS run, run.again AS again FROM run LEFT JOIN run AS other ON other.id = run.again
 WHERE run.again IS NOT NULL AND other.fork_of IS NOT run.id ORDER BY run.id;
