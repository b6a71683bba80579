-- When the earliest run without an owner is due.
SELECT wake_at_us FROM run WHERE owner IS NULL AND wake_at_us IS NOT NULL ORDER BY wake_at_us LIMIT 1;
