-- From now on the run is found by this.
INSERT INTO run_key (value, run, kind, name) VALUES (:value, :run, :kind, :name) ON CONFLICT DO NOTHING;
