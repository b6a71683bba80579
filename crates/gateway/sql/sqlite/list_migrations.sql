-- Gives the migrations that were applied, in their order. No row: none was.
SELECT name, digest FROM surefoot_migration ORDER BY place
