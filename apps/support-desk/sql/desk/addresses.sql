-- The addresses of a customer that the records know: their own, and those that they named to us.
SELECT (SELECT json_group_array(email)
          FROM (SELECT lower(email) AS email FROM customer WHERE id = :customer_id
                 UNION SELECT lower(email) FROM contact WHERE customer_id = :customer_id)) AS known;
