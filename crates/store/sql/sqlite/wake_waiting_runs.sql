-- Makes runs due that wait for something that is called so. Paused ones stay paused.
UPDATE run
   SET wake_at_us = min(coalesce(wake_at_us, :now_us), :now_us), updated_at_us = :now_us
 WHERE status = 'waiting' AND instr(waits_for, :wake) > 0;
