-- Keeps an event, unless its id is known.
INSERT INTO event (id, run, tenant, project, name, key, sender, body, at_us, called)
VALUES (:id, :run, :tenant, :project, :name, :key, :sender, :body, :at_us, :called) ON CONFLICT DO NOTHING;
