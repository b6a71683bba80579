-- Nobody can tell whether an open action happened. No row changed: it is not open, or known to be in doubt.
UPDATE open_action SET state = 'unknown' WHERE run = :run AND step = :step AND state = 'open';
