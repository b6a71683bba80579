-- Where a run's journal ends.
SELECT head, head_no FROM run WHERE id = :run;
