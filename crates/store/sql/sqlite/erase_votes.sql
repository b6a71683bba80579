-- Votes keep who decided what and when; what was shown to them can be guessed by its hash.
UPDATE vote SET shown = zeroblob(32) WHERE approval IN (SELECT id FROM approval WHERE run = :run);
