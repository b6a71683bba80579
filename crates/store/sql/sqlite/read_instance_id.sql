-- Which deployment this is.
SELECT value FROM meta WHERE key = 'instance_id';
