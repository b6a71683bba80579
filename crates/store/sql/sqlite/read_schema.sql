-- The newest migration that was applied; NULL: none.
SELECT max(version) FROM refinery_schema_history;
