-- What happened to a lead, newest first.
SELECT at_us, "by", text FROM activity WHERE lead = :lead ORDER BY id DESC LIMIT 40;
