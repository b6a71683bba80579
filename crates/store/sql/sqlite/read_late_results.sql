-- Answers of fenced workers.
SELECT step, epoch, attempt, outcome, at_us FROM late_result WHERE run = :run ORDER BY step, epoch, attempt;
