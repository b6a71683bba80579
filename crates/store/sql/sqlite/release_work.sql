-- A person gives open work back. No row changed: it is not theirs.
UPDATE work SET claimed_by = NULL, claimed_at_us = NULL WHERE id = :id AND claimed_by = :by AND closed_at_us IS NULL;
