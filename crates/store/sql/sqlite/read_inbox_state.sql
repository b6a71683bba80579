-- What is looked at before a message is written. No row: there is no such run.
SELECT status, owner, inbox_gen, inbox_read, key IS NULL FROM run WHERE id = :run;
