-- What was set aside became what it cost. More than was set aside is an overrun, and freezes the scope.
UPDATE budget
   SET reserved = reserved - :amount, settled = settled + :actual, overrun = overrun + max(:actual - :amount, 0),
       frozen = max(frozen, :actual > :amount)
 WHERE scope = :scope AND unit = :unit AND period_us = :period_us;
