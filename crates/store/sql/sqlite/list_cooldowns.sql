-- Models that cool down, or did: each has one row.
SELECT scope, until_us, why, run, since_us FROM cooldown ORDER BY scope;
