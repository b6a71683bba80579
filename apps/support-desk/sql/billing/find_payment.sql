-- One payment of a customer, or none: another customer's is none.
SELECT id, order_id, what, amount_cents, currency, refunded_cents, paid_at FROM payment WHERE id = :payment_id AND customer_id = :customer_id;
