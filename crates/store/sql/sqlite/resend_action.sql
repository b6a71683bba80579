-- An open action is sent once more, also one whose outcome was not known. No row changed: it is not open.
UPDATE open_action SET attempt = :attempt, state = 'open' WHERE run = :run AND step = :step;
