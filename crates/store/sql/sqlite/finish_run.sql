-- The run is over and its lease given back.
UPDATE run SET owner = NULL, status = :status, failure = :failure, finished_at_us = :now_us WHERE id = :run;
