-- What people see and do: who a lead is, what happened to it, what is to be told, what was imported.

ALTER TABLE lead ADD COLUMN domain TEXT;
ALTER TABLE lead ADD COLUMN country TEXT;
ALTER TABLE lead ADD COLUMN given_name TEXT NOT NULL DEFAULT '';
ALTER TABLE lead ADD COLUMN family_name TEXT NOT NULL DEFAULT '';
ALTER TABLE lead ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE lead ADD COLUMN email TEXT;
ALTER TABLE lead ADD COLUMN phone TEXT NOT NULL DEFAULT '';
ALTER TABLE lead ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE lead ADD COLUMN owner TEXT;
ALTER TABLE lead ADD COLUMN source TEXT NOT NULL DEFAULT 'api' CHECK (source IN ('form', 'csv', 'api'));
ALTER TABLE lead ADD COLUMN source_ref TEXT NOT NULL DEFAULT '';
ALTER TABLE lead ADD COLUMN created_by TEXT NOT NULL DEFAULT 'a run';
ALTER TABLE lead ADD COLUMN created_at_us INTEGER NOT NULL DEFAULT 0;
-- `none`: nobody asked. `queued`: the event waits. `running`: a run was started. The rest is what came of the last run.
ALTER TABLE lead ADD COLUMN enrichment TEXT NOT NULL DEFAULT 'none'
    CHECK (enrichment IN ('none', 'queued', 'running', 'needs_review', 'done', 'failed'));
-- The run that was started last.
ALTER TABLE lead ADD COLUMN run TEXT;
-- What a lead is known by: the address and the site in small letters, and the name without its legal form.
ALTER TABLE lead ADD COLUMN key_email TEXT;
ALTER TABLE lead ADD COLUMN key_site TEXT;
ALTER TABLE lead ADD COLUMN key_name TEXT;
CREATE UNIQUE INDEX lead_by_email ON lead (key_email) WHERE key_email IS NOT NULL;
CREATE INDEX lead_by_site ON lead (key_site) WHERE key_site IS NOT NULL;
CREATE INDEX lead_by_name ON lead (key_name) WHERE key_name IS NOT NULL;
CREATE INDEX lead_by_age ON lead (created_at_us);
CREATE INDEX claim_by_field ON claim (lead, field);

-- Who made a lead is a fact of its first day.
CREATE TRIGGER lead_is_made_once BEFORE UPDATE OF created_by, created_at_us, source ON lead
WHEN NEW.created_by IS NOT OLD.created_by OR NEW.created_at_us IS NOT OLD.created_at_us OR NEW.source IS NOT OLD.source
BEGIN
    SELECT RAISE(ABORT, 'who made a lead, and when, is never changed');
END;

ALTER TABLE proposal ADD COLUMN decided_by TEXT;
ALTER TABLE proposal ADD COLUMN decided_at_us INTEGER;

-- `look`: somebody should look at what the run left open.
ALTER TABLE notification ADD COLUMN at_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE notification ADD COLUMN look INTEGER NOT NULL DEFAULT 0 CHECK (look IN (0, 1));

-- Append-only: what happened to a lead.
CREATE TABLE activity (
    id    INTEGER PRIMARY KEY,
    lead  TEXT NOT NULL REFERENCES lead (id),
    at_us INTEGER NOT NULL,
    "by"  TEXT NOT NULL,
    text  TEXT NOT NULL
) STRICT;
CREATE INDEX activity_by_lead ON activity (lead, id);

-- Events, written in the transaction of what they tell. One that has no run and no failure waits for the relay.
CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY,
    event   TEXT NOT NULL CHECK (event IN ('crm.lead.created', 'crm.lead.asked')),
    lead    TEXT NOT NULL REFERENCES lead (id),
    version INTEGER NOT NULL,
    body    TEXT NOT NULL CHECK (json_valid(body)),
    "by"    TEXT,
    at_us   INTEGER NOT NULL,
    run     TEXT,
    failure TEXT,
    UNIQUE (lead, version)
) STRICT;
CREATE INDEX outbox_waits ON outbox (id) WHERE run IS NULL AND failure IS NULL;

-- A file that was sent, row by row. Nothing of it is a lead before somebody imports it.
CREATE TABLE import_batch (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    at_us   INTEGER NOT NULL,
    "by"    TEXT NOT NULL,
    header  TEXT NOT NULL CHECK (json_valid(header)),
    columns TEXT NOT NULL CHECK (json_valid(columns)),
    state   TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'imported'))
) STRICT;
CREATE TABLE import_row (
    batch   INTEGER NOT NULL REFERENCES import_batch (id),
    line    INTEGER NOT NULL,
    cells   TEXT NOT NULL CHECK (json_valid(cells)),
    outcome TEXT,
    lead    TEXT REFERENCES lead (id),
    says    TEXT,
    PRIMARY KEY (batch, line)
) STRICT;
