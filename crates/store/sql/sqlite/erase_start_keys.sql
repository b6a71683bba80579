-- A start key may be a name or an address: it goes, and starts another run if it comes again.
DELETE FROM start_key WHERE run = :run;
