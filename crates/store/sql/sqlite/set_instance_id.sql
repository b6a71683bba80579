-- This is another deployment from now on.
UPDATE meta SET value = :instance WHERE key = 'instance_id';
