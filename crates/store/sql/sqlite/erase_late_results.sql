-- Late answers of a run keep what they were answers to.
UPDATE late_result SET outcome = x'' WHERE run = :run;
