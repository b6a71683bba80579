-- Where a customer's parcels go from now on. Nothing is overwritten: the addresses before it stay on record.
INSERT INTO postal_address (customer_id, address, run, changed_at)
VALUES ((SELECT id FROM customer WHERE id = :customer_id), :address, :run, :at);
SELECT id, customer_id FROM postal_address WHERE id = last_insert_rowid();
