-- What people say came of a run, by person.
SELECT run, by, auth, correct, because, at_us FROM outcome WHERE run = :run ORDER BY by;
