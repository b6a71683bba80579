-- One line of what happened to a lead.
INSERT INTO activity (lead, at_us, "by", text) VALUES (:lead, :now_us, :by, :text);
