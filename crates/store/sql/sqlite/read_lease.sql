-- What an append compares before it writes anything. No row: there is no such run.
SELECT epoch, owner, head, head_no, inbox_gen, strikes FROM run WHERE id = :run;
