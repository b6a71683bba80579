-- Messages of some channels (a JSON list) that are to leave and whose time has come, longest due first.
SELECT id, run, channel, at_us, attempts, body, why
  FROM outbox
 WHERE next_at_us IS NOT NULL AND next_at_us <= :now_us AND channel IN (SELECT value FROM json_each(:channels))
 ORDER BY next_at_us, id LIMIT :limit;
