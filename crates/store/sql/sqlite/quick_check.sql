-- Reads every page: "ok", or what is wrong first.
PRAGMA quick_check(1);
