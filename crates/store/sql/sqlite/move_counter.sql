-- A counter changes.
INSERT INTO counter (name, version) VALUES (:counter, 1) ON CONFLICT (name) DO UPDATE SET version = version + 1;
