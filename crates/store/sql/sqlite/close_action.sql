-- An open action has its answer. No row changed: it is not open.
DELETE FROM open_action WHERE run = :run AND step = :step;
