-- A letter that a mail server has accepted.
SELECT message_id, thread, run, template, recipients FROM letter WHERE message_id = :message_id;
