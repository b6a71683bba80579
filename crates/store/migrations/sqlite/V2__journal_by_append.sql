-- One row for the entries of one append, instead of one row an entry: a commit of many steps writes few rows. `entries` holds them one
-- after the other: epoch and time as eight bytes each, salt, digest, hash, the length of the body in four, the body. All numbers are
-- big-endian; the length ffffffff says that the body was erased. Each entry that stands here already becomes a row of its own, under
-- the number that it had: the marks and run.head_no stay true.

CREATE TABLE journal_by_append (
    no      INTEGER PRIMARY KEY,
    run     BLOB NOT NULL,
    seq     INTEGER NOT NULL,                 -- of the last entry in it
    count   INTEGER NOT NULL CHECK (count BETWEEN 1 AND seq),
    prev    INTEGER NOT NULL,                 -- journal.no of the run's row before; 0 before the first
    entries BLOB NOT NULL
) STRICT;

INSERT INTO journal_by_append (no, run, seq, count, prev, entries)
SELECT no, run, seq, 1, prev,
       unhex(printf('%016x', epoch) || printf('%016x', at_us) || hex(salt) || hex(digest) || hex(hash)
             || CASE WHEN body IS NULL THEN 'ffffffff' ELSE printf('%08x', length(body)) || hex(body) END)
  FROM journal
 ORDER BY no;

DROP TABLE journal;
ALTER TABLE journal_by_append RENAME TO journal;
