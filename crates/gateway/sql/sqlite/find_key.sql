-- Gives what was answered under :key, and for what. No row: nothing was done under it.
SELECT digest, answer FROM surefoot_key WHERE key = :key
