-- How much waits for people, and how many actions for their outcome.
SELECT (SELECT count(*) FROM approval WHERE state = 'pending') AS approvals,
       (SELECT count(*) FROM work WHERE closed_at_us IS NULL) AS work,
       (SELECT count(*) FROM open_action) AS actions,
       (SELECT count(*) FROM open_action WHERE state = 'unknown') AS unknown;
