-- A run waits for an event; it may do so already, in another of its branches.
INSERT INTO wanted (tenant, project, name, key, run)
VALUES (:tenant, :project, :name, :key, :run) ON CONFLICT DO NOTHING;
