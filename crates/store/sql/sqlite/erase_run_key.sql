-- Nobody can guess any more what the run's hashes were made of.
UPDATE run SET key = NULL WHERE id = :run;
