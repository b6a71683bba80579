-- Messages of a run after a number, in order.
SELECT seq, id, kind, name, sender, body, at_us FROM inbox WHERE run = :run AND seq > :after ORDER BY seq;
