-- Answers that a run had got go with it. Who used one again holds its own copy.
DELETE FROM answer WHERE run = :run;
