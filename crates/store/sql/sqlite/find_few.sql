-- Keys that begin with a text, the newest run first, where few do: all of them are read and sorted.
SELECT run, kind, name, value FROM run_key WHERE value >= :text AND value < :end AND +run < :before ORDER BY +run DESC;
