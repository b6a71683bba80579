-- Cards of a run's work are overwritten where they stand, before they are taken away.
UPDATE work SET card = zeroblob(length(card)) WHERE run = :run AND card IS NOT NULL;
