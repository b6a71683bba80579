-- Events that are kept and that a run has not been told, oldest first.
SELECT id, called, sender, body, at_us FROM event
 WHERE tenant = :tenant AND project = :project AND name = :name AND key = :key AND at_us >= :since_us
   AND NOT EXISTS (SELECT 1 FROM inbox WHERE inbox.run = :run AND inbox.id = 'event:' || event.id)
 ORDER BY at_us, id LIMIT :limit;
