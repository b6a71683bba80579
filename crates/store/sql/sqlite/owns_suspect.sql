-- One row if the worker owns a run that is on its last strike.
SELECT 1 FROM run WHERE owner = :worker AND strikes >= :last_strike LIMIT 1;
