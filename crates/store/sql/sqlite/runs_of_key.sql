-- Runs that are found by a business key of this name, newest first; case is not compared here.
SELECT run FROM run_key WHERE value = :value AND run < :before AND kind = 'about' AND name = :name ORDER BY run DESC;
