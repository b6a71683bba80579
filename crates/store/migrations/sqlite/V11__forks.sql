-- The run that a run goes on from, the last entry that it inherited, and the number after which its inbox begins; NULL: it began afresh.
ALTER TABLE run ADD COLUMN fork_of BLOB CHECK (fork_of IS NULL OR length(fork_of) = 16);
ALTER TABLE run ADD COLUMN fork_entry INTEGER CHECK ((fork_entry IS NULL) = (fork_of IS NULL));
ALTER TABLE run ADD COLUMN fork_inbox INTEGER CHECK ((fork_inbox IS NULL) = (fork_of IS NULL));
CREATE INDEX run_fork ON run (fork_of) WHERE fork_of IS NOT NULL;
