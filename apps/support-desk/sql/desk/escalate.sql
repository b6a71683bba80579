-- Hands a thread to people, with a note that can be read in half a minute.
UPDATE thread SET status = 'escalated', queue = :queue, priority = :priority WHERE id = :thread;
INSERT INTO case_note (thread, run, kind, text, made_at) VALUES (:thread, :run, :reason, :note, :at);
SELECT id AS thread, queue, status, priority FROM thread WHERE id = :thread;
