-- What a step had counted is taken back. No row changed: it had counted nothing.
DELETE FROM counted WHERE run = :run AND step = :step AND counter = :counter;
