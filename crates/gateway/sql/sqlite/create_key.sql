-- Makes the table of keys, if it is missing: one row for each change that was made under an idempotency key, in its transaction.
-- `digest` is SHA-256 over the operation and its arguments; `answer` is what the operation gave.
CREATE TABLE IF NOT EXISTS surefoot_key (
    key TEXT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    answer TEXT NOT NULL CHECK (json_valid(answer)),
    at_us INTEGER NOT NULL
) STRICT
