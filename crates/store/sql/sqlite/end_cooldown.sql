-- A person lets a model be asked again. No row: it did not cool down.
DELETE FROM cooldown WHERE scope = :scope AND until_us > :now_us;
