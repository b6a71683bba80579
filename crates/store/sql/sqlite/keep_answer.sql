-- Keeps an answer for whoever would send the same; one that counts longer stays.
INSERT INTO answer (key, run, entry, at_us, until_us, value) VALUES (:key, :run, :entry, :at_us, :until_us, :value)
    ON CONFLICT (key) DO UPDATE
    SET run = excluded.run, entry = excluded.entry, at_us = excluded.at_us, until_us = excluded.until_us, value = excluded.value
    WHERE excluded.until_us > until_us;
