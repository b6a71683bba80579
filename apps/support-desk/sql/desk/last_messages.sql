-- The last three messages of a customer in a thread, the oldest first, each up to 6,000 characters; of somebody else's thread, none.
SELECT (SELECT coalesce(json_group_array(json_object('subject', subject, 'body', substr(body, 1, 6000), 'received_at', received_at)), '[]')
          FROM (SELECT * FROM (SELECT message.rowid AS place, message.* FROM message JOIN thread ON thread.id = message.thread
                                WHERE thread.id = :thread AND message.direction = 'in'
                                  AND thread.customer_id IS (SELECT id FROM customer WHERE id = :customer_id)
                                ORDER BY place DESC LIMIT 3)
                 ORDER BY place)) AS items;
