-- A rate limit is used.
INSERT INTO rate (bucket, tat_us, not_before_us) VALUES (:bucket, :tat_us, 0)
    ON CONFLICT (bucket) DO UPDATE SET tat_us = :tat_us;
