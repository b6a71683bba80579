-- A person has looked at the overruns of a scope. No row changed: it was not frozen.
UPDATE budget SET frozen = 0 WHERE scope = :scope AND frozen = 1;
