-- An open action has its answer.
DELETE FROM open_action WHERE run = :run AND step = :step;
