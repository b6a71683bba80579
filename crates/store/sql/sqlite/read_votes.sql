-- Votes on an approval, in the order in which its run is told.
SELECT voter, decision, shown, seq, at_us FROM vote WHERE approval = :approval ORDER BY seq;
