-- Sends an order once more in its place. An order of another customer, or one that was exchanged already, is refused by the tables.
INSERT INTO exchange (order_id, customer_id, run, asked_at)
VALUES ((SELECT id FROM order_ WHERE id = :order_id AND customer_id = :customer_id), :customer_id, :run, :at);
SELECT exchange.id AS id, exchange.order_id AS order_id, order_.what AS what
  FROM exchange JOIN order_ ON order_.id = exchange.order_id WHERE exchange.id = last_insert_rowid();
