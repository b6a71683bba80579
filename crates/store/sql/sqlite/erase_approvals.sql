-- Approvals of a run keep their keyed hashes and who decided; what was shown can be guessed by its hash.
UPDATE approval SET card = NULL, shown = zeroblob(32) WHERE run = :run;
