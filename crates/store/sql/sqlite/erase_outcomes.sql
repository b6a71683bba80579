-- Nothing is kept of what people said came of an erased run.
DELETE FROM outcome WHERE run = :run;
