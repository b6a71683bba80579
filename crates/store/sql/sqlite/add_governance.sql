-- A change to what all runs are judged by.
INSERT INTO governance (no, at_us, who, auth, body, hash) VALUES (:no, :at_us, :who, :auth, :body, :hash);
