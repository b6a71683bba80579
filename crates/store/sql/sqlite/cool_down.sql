-- Nobody asks a model before a time; an earlier one than was said before changes nothing.
INSERT INTO cooldown (scope, until_us, why, run, since_us) VALUES (:scope, :until_us, :why, :run, :now_us)
    ON CONFLICT (scope) DO UPDATE
    SET until_us = excluded.until_us, why = excluded.why, run = excluded.run, since_us = excluded.since_us
    WHERE excluded.until_us > until_us;
