-- Messages of a run keep their numbers, ids and senders.
UPDATE inbox SET body = x'' WHERE run = :run;
