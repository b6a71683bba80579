-- How far a rate limit is used up. No row: it was never used.
SELECT tat_us, not_before_us FROM rate WHERE bucket = :bucket;
