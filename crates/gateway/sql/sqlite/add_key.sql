-- Notes that :digest was done under :key, with :answer.
INSERT INTO surefoot_key (key, digest, answer, at_us) VALUES (:key, :digest, :answer, :now_us)
