-- The part of a support desk that a run reads and writes. Money is whole cents, times are RFC 3339 in UTC.
-- `IF NOT EXISTS`: the seed of the demonstration may have made the tables before the first run does.

CREATE TABLE IF NOT EXISTS customer (
    id             TEXT PRIMARY KEY,
    name           TEXT NOT NULL,
    email          TEXT NOT NULL UNIQUE,
    tier           TEXT NOT NULL CHECK (tier IN ('standard', 'plus', 'business')),
    since          TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS order_ (
    id           TEXT PRIMARY KEY,
    customer_id  TEXT NOT NULL REFERENCES customer (id),
    what         TEXT NOT NULL,
    placed_at    TEXT NOT NULL,
    delivered_at TEXT
) STRICT;

-- What a customer paid. Never more is given back than was paid: the database itself refuses it.
CREATE TABLE IF NOT EXISTS payment (
    id             TEXT PRIMARY KEY,
    customer_id    TEXT NOT NULL REFERENCES customer (id),
    order_id       TEXT REFERENCES order_ (id),
    what           TEXT NOT NULL,
    amount_cents   INTEGER NOT NULL CHECK (amount_cents > 0),
    currency       TEXT NOT NULL CHECK (length(currency) = 3),
    refunded_cents INTEGER NOT NULL DEFAULT 0,
    paid_at        TEXT NOT NULL,
    CONSTRAINT no_more_than_was_paid CHECK (refunded_cents BETWEEN 0 AND amount_cents)
) STRICT;
CREATE INDEX IF NOT EXISTS payment_of_customer ON payment (customer_id, paid_at);

CREATE TABLE IF NOT EXISTS refund (
    id           INTEGER PRIMARY KEY,
    payment_id   TEXT NOT NULL REFERENCES payment (id),
    customer_id  TEXT NOT NULL REFERENCES customer (id),
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    currency     TEXT NOT NULL,
    reason       TEXT NOT NULL,
    run          TEXT NOT NULL,
    refunded_at  TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS refund_of_customer ON refund (customer_id, refunded_at);

CREATE TABLE IF NOT EXISTS thread (
    id          TEXT PRIMARY KEY,
    customer_id TEXT REFERENCES customer (id),
    subject     TEXT NOT NULL,
    status      TEXT NOT NULL DEFAULT 'new'
                CHECK (status IN ('new', 'triaged', 'working', 'waiting_customer', 'waiting_approval', 'escalated', 'resolved')),
    queue       TEXT,
    priority    TEXT NOT NULL DEFAULT 'normal' CHECK (priority IN ('normal', 'high', 'urgent')),
    category    TEXT,
    confidence  REAL CHECK (confidence BETWEEN 0 AND 1)
) STRICT;

CREATE TABLE IF NOT EXISTS message (
    id          TEXT PRIMARY KEY,
    thread      TEXT NOT NULL REFERENCES thread (id),
    direction   TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    sender      TEXT NOT NULL,
    auth        TEXT NOT NULL CHECK (auth IN ('pass', 'fail', 'none')),
    subject     TEXT NOT NULL,
    body        TEXT NOT NULL,
    received_at TEXT NOT NULL
) STRICT;

-- What is to go out. Nothing here sends it; more than one recipient is held until somebody has looked.
CREATE TABLE IF NOT EXISTS outbound (
    id              INTEGER PRIMARY KEY,
    thread          TEXT NOT NULL REFERENCES thread (id),
    run             TEXT NOT NULL,
    template        TEXT NOT NULL,
    recipients      TEXT NOT NULL CHECK (json_valid(recipients)),
    recipient_count INTEGER NOT NULL CHECK (recipient_count >= 1),
    subject         TEXT NOT NULL,
    body            TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('draft', 'held', 'approved', 'sent')),
    UNIQUE (thread, run, template)
) STRICT;

CREATE TABLE IF NOT EXISTS case_note (
    id      INTEGER PRIMARY KEY,
    thread  TEXT NOT NULL REFERENCES thread (id),
    run     TEXT NOT NULL,
    kind    TEXT NOT NULL,
    text    TEXT NOT NULL,
    made_at TEXT NOT NULL
) STRICT;
