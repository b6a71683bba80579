-- A worker takes its lease. One that was declared dead stays dead.
INSERT INTO worker (id, joined_at_us, lease_until_us) VALUES (:worker, :now_us, :lease_until_us)
    ON CONFLICT (id) DO UPDATE SET lease_until_us = excluded.lease_until_us WHERE dead_at_us IS NULL;
