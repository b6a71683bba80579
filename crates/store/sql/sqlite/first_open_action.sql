-- The step of an action that is still open; no row: none is.
SELECT step FROM open_action WHERE run = :run ORDER BY step LIMIT 1;
