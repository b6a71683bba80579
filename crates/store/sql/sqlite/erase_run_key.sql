-- Nobody can guess any more what the run's hashes were made of; its business keys and what its input was go as well.
UPDATE run SET key = NULL, about = '{}', input = zeroblob(32) WHERE id = :run;
