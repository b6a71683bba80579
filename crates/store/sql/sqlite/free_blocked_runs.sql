-- A new worker may be able to run what the others could not.
UPDATE run SET status = 'queued', wake_at_us = :now_us, waits_for = NULL, updated_at_us = :now_us WHERE status = 'blocked';
