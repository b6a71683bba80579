-- One row if this action of the run is open.
SELECT 1 FROM open_action WHERE run = :run AND step = :step;
