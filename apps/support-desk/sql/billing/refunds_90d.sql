-- What a customer was given back in the 90 days before a moment: ten small refunds are one large one.
SELECT coalesce(sum(amount_cents), 0) AS sum_cents, count(*) AS count
  FROM refund WHERE customer_id = :customer_id AND julianday(refunded_at) > julianday(:at) - 90;
