-- The run is over: nobody needs to decide any more.
UPDATE approval SET state = 'cancelled', closed_at_us = :now_us WHERE run = :run AND state = 'pending';
