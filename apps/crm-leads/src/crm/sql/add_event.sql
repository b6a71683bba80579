-- An event of a lead, for the relay. One for each version of a lead.
INSERT INTO outbox (event, lead, version, body, "by", at_us) VALUES (:event, :lead, :version, :body, :by, :now_us);
