-- Reads every page and compares every index: one row that says "ok", or up to a hundred that say what is wrong.
PRAGMA integrity_check(100);
