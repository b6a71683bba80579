-- Notes what a mail server has accepted; a draft of that run and template is sent by that.
INSERT INTO letter (message_id, thread, run, template, recipients, sent_at)
VALUES (:message_id, :thread, :run, :template, :recipients, :at) ON CONFLICT (message_id) DO NOTHING;
UPDATE outbound SET state = 'sent' WHERE thread = :thread AND run = :run AND template = :template;
UPDATE thread SET status = 'waiting_customer' WHERE id = :thread AND status <> 'escalated' AND :template <> 'lead';
SELECT message_id, thread, run, template, recipients FROM letter WHERE message_id = :message_id;
