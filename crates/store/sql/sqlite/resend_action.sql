-- An open action is sent once more.
UPDATE open_action SET attempt = :attempt WHERE run = :run AND step = :step;
