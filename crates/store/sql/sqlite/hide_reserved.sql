-- A known mistake: what is set aside in a sum is another amount than its reservations come to.
UPDATE budget SET reserved = reserved + :amount WHERE scope = :scope AND unit = :unit AND period_us = :period_us;
