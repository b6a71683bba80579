-- Cards of a run's approvals are overwritten where they stand, before they are taken away.
UPDATE approval SET card = zeroblob(length(card)) WHERE run = :run AND card IS NOT NULL;
