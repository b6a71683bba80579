-- The run that handed a run its work; NULL: nobody did.
ALTER TABLE run ADD COLUMN parent BLOB CHECK (parent IS NULL OR length(parent) = 16);
CREATE INDEX run_parent ON run (parent) WHERE parent IS NOT NULL;
