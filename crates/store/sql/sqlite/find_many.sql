-- Keys that begin with a text, the newest run first, where many do: runs are looked at until there are enough.
SELECT run, kind, name, value FROM run_key WHERE +value >= :text AND +value < :end AND run < :before ORDER BY run DESC;
