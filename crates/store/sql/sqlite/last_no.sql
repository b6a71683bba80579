-- The number of the newest row of all journals.
SELECT coalesce(max(no), 0) FROM journal;
