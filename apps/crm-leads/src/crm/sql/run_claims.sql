-- What a run claimed about a lead, by the names that its brief uses.
SELECT name, id, field FROM claim WHERE lead = :lead AND run = :run;
