-- The first marked entry of a run at or after :seq.
SELECT no FROM journal_mark WHERE run = :run AND seq >= :seq ORDER BY seq LIMIT 1;
