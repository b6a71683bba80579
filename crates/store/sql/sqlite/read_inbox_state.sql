-- What a post looks at before it writes. No row: there is no such run.
SELECT status, owner, inbox_gen, inbox_read FROM run WHERE id = :run;
