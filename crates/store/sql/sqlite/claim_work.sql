-- A person takes open work that nobody does.
UPDATE work SET claimed_by = :by, claimed_at_us = :now_us WHERE id = :id AND claimed_by IS NULL AND closed_at_us IS NULL;
