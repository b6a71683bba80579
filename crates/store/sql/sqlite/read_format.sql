-- Version of the journal's stored format.
SELECT value FROM meta WHERE key = 'format';
