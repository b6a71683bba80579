-- The number of a message that the run has had already.
SELECT seq FROM inbox WHERE run = :run AND id = :id;
