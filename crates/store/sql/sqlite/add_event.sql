-- Keeps an event, unless its id is known.
INSERT INTO event (id, run, tenant, project, name, key, sender, body, at_us)
VALUES (:id, :run, :tenant, :project, :name, :key, :sender, :body, :at_us) ON CONFLICT DO NOTHING;
