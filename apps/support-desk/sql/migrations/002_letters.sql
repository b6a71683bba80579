-- Letters that went out, further addresses of customers, and the knowledge base.
CREATE TABLE IF NOT EXISTS letter (
    message_id TEXT PRIMARY KEY,
    thread     TEXT NOT NULL REFERENCES thread (id),
    run        TEXT NOT NULL,
    template   TEXT NOT NULL,
    recipients TEXT NOT NULL CHECK (json_valid(recipients)),
    sent_at    TEXT NOT NULL
) STRICT;

-- Whom a customer has named to us, apart from themselves.
CREATE TABLE IF NOT EXISTS contact (
    customer_id TEXT NOT NULL REFERENCES customer (id),
    email       TEXT NOT NULL,
    PRIMARY KEY (customer_id, email)
) STRICT;

-- `fits`: groups of words and phrases in lower case; a message must have one of each group.
CREATE TABLE IF NOT EXISTS kb_article (
    id          TEXT PRIMARY KEY,
    version     INTEGER NOT NULL CHECK (version >= 1),
    category    TEXT NOT NULL CHECK (category IN ('technical', 'account', 'general')),
    title       TEXT NOT NULL,
    text        TEXT NOT NULL,
    fits        TEXT NOT NULL CHECK (json_valid(fits) AND json_array_length(fits) >= 1),
    reviewed_at TEXT NOT NULL
) STRICT;
