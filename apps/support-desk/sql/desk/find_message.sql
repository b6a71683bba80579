-- A message as it stands in the records.
SELECT id, thread, sender, auth FROM message WHERE id = :message;
