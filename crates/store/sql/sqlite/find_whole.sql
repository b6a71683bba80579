-- Keys that are a text, the newest run first.
SELECT run, kind, name, value FROM run_key WHERE value = :text AND run < :before ORDER BY run DESC;
