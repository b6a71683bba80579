-- What a run published holds what the run held. Who was told it holds its own copy.
DELETE FROM event WHERE run = :run;
