-- The input a run was started with. No row: there is no such run.
SELECT input FROM run WHERE id = :run;
