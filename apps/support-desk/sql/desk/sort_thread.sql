-- Puts a thread into the queue of its category.
UPDATE thread SET category = :category, confidence = :confidence, queue = :category, status = 'triaged'
 WHERE id = :thread RETURNING id AS thread, queue, status;
