-- The part of a CRM that enrichment reads and writes. Times are microseconds since 1970 UTC, values are JSON.

CREATE TABLE lead (
    id              TEXT PRIMARY KEY,
    company         TEXT NOT NULL,
    version         INTEGER NOT NULL,
    fit_score       INTEGER CHECK (fit_score BETWEEN 0 AND 100),
    intent_score    INTEGER CHECK (intent_score BETWEEN 0 AND 100),
    enriched_by_run TEXT
) STRICT;

-- What the lead's card shows. A person's value is locked: no run changes it.
CREATE TABLE field_value (
    lead    TEXT NOT NULL REFERENCES lead (id),
    field   TEXT NOT NULL,
    value   TEXT NOT NULL CHECK (json_valid(value)),
    set_by  TEXT NOT NULL CHECK (set_by IN ('person', 'run')),
    claim   INTEGER REFERENCES claim (id),
    version INTEGER NOT NULL CHECK (version >= 1),
    PRIMARY KEY (lead, field)
) STRICT;

-- Append-only: what a run claimed, with the words of the page.
CREATE TABLE claim (
    id         INTEGER PRIMARY KEY,
    lead       TEXT NOT NULL REFERENCES lead (id),
    run        TEXT NOT NULL,
    name       TEXT NOT NULL,
    field      TEXT NOT NULL,
    value      TEXT NOT NULL CHECK (json_valid(value)),
    confidence REAL NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    ci_low     REAL NOT NULL CHECK (ci_low BETWEEN 0 AND confidence),
    url        TEXT NOT NULL,
    quote      TEXT NOT NULL CHECK (quote <> ''),
    sha256     TEXT NOT NULL CHECK (length(sha256) = 64),
    UNIQUE (lead, run, name)
) STRICT;

-- What a person decides.
CREATE TABLE proposal (
    claim  INTEGER PRIMARY KEY REFERENCES claim (id),
    reason TEXT NOT NULL,
    state  TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'rejected'))
) STRICT;

-- One line a run for the lead's owner.
CREATE TABLE notification (
    id    INTEGER PRIMARY KEY,
    lead  TEXT NOT NULL REFERENCES lead (id),
    run   TEXT NOT NULL,
    text  TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'read')),
    UNIQUE (lead, run)
) STRICT;

-- How a field is written. A field without a row is never written.
CREATE TABLE field_policy (
    field      TEXT PRIMARY KEY,
    mode       TEXT NOT NULL CHECK (mode IN ('fill_if_empty', 'overwrite', 'propose', 'never')),
    min_ci_low REAL NOT NULL CHECK (min_ci_low BETWEEN 0 AND 1)
) STRICT;

INSERT INTO field_policy (field, mode, min_ci_low) VALUES
    ('description', 'fill_if_empty', 0.6),
    ('industry', 'fill_if_empty', 0.6),
    ('business_model', 'fill_if_empty', 0.6),
    ('headcount_range', 'overwrite', 0.6),
    ('founded_year', 'fill_if_empty', 0.6),
    ('hq_city', 'fill_if_empty', 0.7),
    ('hq_country', 'fill_if_empty', 0.7),
    ('technologies', 'overwrite', 0.6),
    ('open_roles', 'overwrite', 0.6),
    ('remote_policy', 'fill_if_empty', 0.6),
    ('contact_email', 'propose', 0.0),
    ('social_profile', 'fill_if_empty', 0.6),
    ('legal_name', 'propose', 0.0);

-- What a score is made of.
CREATE TABLE score_rule (
    id     TEXT PRIMARY KEY,
    axis   TEXT NOT NULL CHECK (axis IN ('fit', 'intent')),
    label  TEXT NOT NULL,
    field  TEXT NOT NULL,
    test   TEXT NOT NULL CHECK (test IN ('between', 'in', 'has_any', 'at_least', 'known')),
    "with" TEXT NOT NULL CHECK (json_valid("with")),
    points INTEGER NOT NULL
) STRICT;

INSERT INTO score_rule (id, axis, label, field, test, "with", points) VALUES
    ('size', 'fit', '20 to 500 people', 'headcount_range', 'between', '[20,500]', 30),
    ('country', 'fit', 'in a country we sell to', 'hq_country', 'in', '["US","CA","GB","DE","FR","NL","ES","SE","AU"]', 20),
    ('business', 'fit', 'sells to businesses', 'business_model', 'in', '["b2b"]', 20),
    ('stack', 'fit', 'builds with what we support', 'technologies', 'has_any',
     '["aws","docker","kubernetes","postgresql","python","ruby","go","rust","java","node.js"]', 20),
    ('young', 'fit', 'not older than 15 years', 'founded_year', 'between', '[2011,2100]', 10),
    ('hiring', 'intent', 'offers jobs', 'open_roles', 'at_least', '1', 40),
    ('hiring-more', 'intent', 'offers five jobs or more', 'open_roles', 'at_least', '5', 30),
    ('remote', 'intent', 'says how it works from afar', 'remote_policy', 'known', 'null', 10);
