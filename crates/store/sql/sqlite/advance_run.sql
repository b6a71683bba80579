-- The compare-and-set of every append: no row changed means that the run stands otherwise. NULL leaves a column as it is, but that a
-- cost that is not known makes the run's one that is not known.
UPDATE run
   SET head = :head, head_no = :head_no, head_hash = coalesce(:head_hash, head_hash), updated_at_us = :now_us,
       doing = coalesce(:doing, doing), inbox_read = max(inbox_read, coalesce(:inbox_read, 0)),
       cost_uusd = cost_uusd + :charged
 WHERE id = :run AND epoch = :epoch AND owner IS :owner AND head = :expected_head AND head_no = :expected_head_no
   AND inbox_gen = :expected_inbox_gen AND strikes = :expected_strikes;
