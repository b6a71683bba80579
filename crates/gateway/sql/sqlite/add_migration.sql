-- Notes that the migration :name, whose text has :digest, was applied as number :place.
INSERT INTO surefoot_migration (name, place, digest, at_us) VALUES (:name, :place, :digest, :now_us)
