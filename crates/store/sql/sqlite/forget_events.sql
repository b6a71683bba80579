-- Events are kept for some time, and then forgotten.
DELETE FROM event WHERE at_us < :since_us;
