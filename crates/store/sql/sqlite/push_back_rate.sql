-- Nobody may use a rate limit before a time.
INSERT INTO rate (bucket, tat_us, not_before_us) VALUES (:bucket, 0, :until_us)
    ON CONFLICT (bucket) DO UPDATE SET not_before_us = max(not_before_us, :until_us);
