-- Who set an amount aside. No row changed: that step has done so already.
INSERT INTO reservation (run, step, scope, unit, period_us, amount, since_us)
VALUES (:run, :step, :scope, :unit, :period_us, :amount, :since_us) ON CONFLICT (run, step, scope, unit, period_us) DO NOTHING;
