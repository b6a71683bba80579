-- Nothing of this is set aside any more.
DELETE FROM reservation WHERE run = :run AND (:step IS NULL OR step = :step);
