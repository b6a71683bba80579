-- Work of a run keeps its times.
UPDATE work SET card = NULL WHERE run = :run;
