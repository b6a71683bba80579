-- All sums.
SELECT scope, unit, period_us, most, settled, reserved, overrun, frozen FROM budget ORDER BY scope, unit, period_us;
