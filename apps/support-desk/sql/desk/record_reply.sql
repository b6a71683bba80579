-- A draft: one a run and template. More than one recipient is held until somebody has looked.
INSERT INTO outbound (thread, run, template, recipients, recipient_count, subject, body, state)
VALUES (:thread, :run, :template, :recipients, json_array_length(:recipients), :subject, :body,
        CASE WHEN json_array_length(:recipients) > 1 THEN 'held' ELSE 'draft' END)
    ON CONFLICT (thread, run, template) DO NOTHING;
UPDATE thread SET status = CASE WHEN json_array_length(:recipients) > 1 THEN 'waiting_approval' ELSE 'working' END
 WHERE id = :thread AND status <> 'escalated';
SELECT id, state, recipient_count FROM outbound WHERE thread = :thread AND run = :run AND template = :template;
