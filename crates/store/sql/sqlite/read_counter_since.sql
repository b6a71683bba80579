-- How a counter stands, and what it counted at or after a time.
SELECT coalesce((SELECT version FROM counter WHERE name = :counter), 0) AS version, count(*) AS count,
       coalesce(sum(amount), 0) AS sum
  FROM counted
 WHERE counter = :counter AND at_us >= :since_us;
