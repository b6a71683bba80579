-- Something is counted.
INSERT INTO counted (counter, at_us, version, amount, run, step) VALUES (:counter, :at_us, :version, :amount, :run, :step);
