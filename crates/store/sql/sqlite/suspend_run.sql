-- Gives the lease back until :wake_at_us, or until a message comes.
UPDATE run SET owner = NULL, status = :status, waits_for = :waits_for, wake_at_us = :wake_at_us WHERE id = :run;
