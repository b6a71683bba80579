-- What a customer paid, the latest first, with the largest that is not given back yet.
SELECT (SELECT coalesce(json_group_array(json_object('id', id, 'order_id', order_id, 'what', what, 'amount_cents', amount_cents,
                                                     'currency', currency, 'refunded_cents', refunded_cents, 'paid_at', paid_at)), '[]')
          FROM (SELECT * FROM payment WHERE customer_id = :customer_id ORDER BY paid_at DESC, id DESC LIMIT 50)) AS items,
       (SELECT coalesce(max(amount_cents - refunded_cents), 0) FROM payment WHERE customer_id = :customer_id) AS largest_cents;
