-- Whether a run was erased, and which one tries it again. No row: there is no such run.
SELECT key IS NULL AS erased, again FROM run WHERE id = :run;
