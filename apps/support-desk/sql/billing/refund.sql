-- Gives back a part of a payment, or all that is left. A payment of another customer, or more than is left, is refused by the tables.
INSERT INTO refund (payment_id, customer_id, amount_cents, currency, reason, run, refunded_at)
VALUES ((SELECT id FROM payment WHERE id = :payment_id AND customer_id = :customer_id), :customer_id, :amount_cents,
        coalesce((SELECT currency FROM payment WHERE id = :payment_id), ''), :reason, :run, :at);
UPDATE payment SET refunded_cents = refunded_cents + :amount_cents WHERE id = :payment_id;
SELECT refund.id AS id, refund.payment_id AS payment_id, refund.amount_cents AS amount_cents, refund.currency AS currency,
       payment.amount_cents - payment.refunded_cents AS left_cents
  FROM refund JOIN payment ON payment.id = refund.payment_id WHERE refund.id = last_insert_rowid();
