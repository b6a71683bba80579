-- What is sent once more in the place of an order, and where parcels go.
CREATE TABLE IF NOT EXISTS exchange (
    id          INTEGER PRIMARY KEY,
    order_id    TEXT NOT NULL UNIQUE REFERENCES order_ (id),
    customer_id TEXT NOT NULL REFERENCES customer (id),
    run         TEXT NOT NULL,
    asked_at    TEXT NOT NULL
) STRICT;

-- The last one counts.
CREATE TABLE IF NOT EXISTS postal_address (
    id          INTEGER PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customer (id),
    address     TEXT NOT NULL CHECK (length(address) BETWEEN 8 AND 200),
    run         TEXT NOT NULL,
    changed_at  TEXT NOT NULL
) STRICT;
