-- Messages of a run keep their ids; what has not left never leaves.
UPDATE outbox SET body = NULL, next_at_us = NULL, why = NULL, state = iif(state = 'left', 'left', 'dropped') WHERE run = :run;
