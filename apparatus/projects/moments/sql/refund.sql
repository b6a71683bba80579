INSERT INTO refund (payment, customer, cents) VALUES (:payment, :customer, :cents) RETURNING id, cents;
