-- The thread of a message, made if it is new, with what is known of the customer. The same message again changes nothing.
INSERT INTO thread (id, customer_id, subject) VALUES (:thread, (SELECT id FROM customer WHERE id = :customer_id), :subject)
    ON CONFLICT (id) DO NOTHING;
INSERT INTO message (id, thread, direction, sender, auth, subject, body, received_at)
VALUES (:message, :thread, 'in', :sender, :auth, :subject, :body, :at) ON CONFLICT (id) DO NOTHING;
SELECT thread.id AS thread, customer.name AS name, lower(customer.email) AS email, customer.id IS NOT NULL AS known,
       customer.id IS NOT NULL AND :auth = 'pass' AND lower(customer.email) = lower(:sender) AS verified,
       (SELECT count(*) FROM message WHERE thread = :thread AND direction = 'in') AS messages
  FROM thread LEFT JOIN customer ON customer.id = thread.customer_id WHERE thread.id = :thread;
