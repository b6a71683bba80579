-- Sets an amount aside. No row changed: it does not fit under :limit, or its scope is frozen.
INSERT INTO budget (scope, unit, period_us, most, settled, reserved)
SELECT :scope, :unit, :period_us, :limit, 0, :amount
 WHERE :amount <= :limit AND NOT EXISTS (SELECT 1 FROM budget WHERE scope = :scope AND frozen = 1)
    ON CONFLICT (scope, unit, period_us) DO UPDATE SET reserved = reserved + :amount, most = :limit
       WHERE settled + reserved + :amount <= :limit;
