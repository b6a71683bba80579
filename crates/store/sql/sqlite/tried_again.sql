-- A run is tried again by this one.
UPDATE run SET again = :again WHERE id = :run AND again IS NULL;
