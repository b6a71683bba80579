-- When the earliest message of some channels (a JSON list) is to leave; NULL: none is.
SELECT min(next_at_us) AS next_at_us
  FROM outbox
 WHERE next_at_us IS NOT NULL AND channel IN (SELECT value FROM json_each(:channels));
