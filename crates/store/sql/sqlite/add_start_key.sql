-- Gives a start key to a run.
INSERT INTO start_key (tenant, workflow, key, run) VALUES (:tenant, :workflow, :key, :run);
