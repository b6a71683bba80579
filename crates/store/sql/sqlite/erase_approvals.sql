-- Approvals of a run keep their hashes and votes.
UPDATE approval SET card = NULL WHERE run = :run;
