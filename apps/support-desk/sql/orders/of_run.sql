-- What the records have of one message: given back, exchanged, moved.
SELECT (SELECT coalesce(json_group_array(json_object('id', id, 'payment_id', payment_id, 'amount_cents', amount_cents, 'currency', currency)), '[]')
          FROM (SELECT * FROM refund WHERE run = :run AND customer_id = :customer_id ORDER BY id)) AS refunds,
       (SELECT coalesce(json_group_array(json_object('id', id, 'order_id', order_id, 'what', what)), '[]')
          FROM (SELECT exchange.id AS id, exchange.order_id AS order_id, order_.what AS what
                  FROM exchange JOIN order_ ON order_.id = exchange.order_id
                 WHERE exchange.run = :run AND exchange.customer_id = :customer_id ORDER BY exchange.id)) AS exchanges,
       (SELECT coalesce(json_group_array(json_object('id', id)), '[]')
          FROM (SELECT * FROM postal_address WHERE run = :run AND customer_id = :customer_id ORDER BY id)) AS addresses;
