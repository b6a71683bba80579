-- Gives a free run to a worker, in a new epoch. SQLite has one writer, so that nobody can take it in between.
UPDATE run
   SET epoch = epoch + 1, owner = :worker, status = 'running', wake_at_us = NULL, waits_for = NULL, updated_at_us = :now_us
 WHERE id = :run AND owner IS NULL;
