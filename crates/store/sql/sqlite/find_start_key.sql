-- The run that has a start key, and the input it was started with.
SELECT start_key.run, run.input
  FROM start_key JOIN run ON run.id = start_key.run
 WHERE start_key.tenant = :tenant AND start_key.workflow = :workflow AND start_key.key = :key;
