-- Whether a run was erased. No row: there is no such run.
SELECT key IS NULL FROM run WHERE id = :run;
