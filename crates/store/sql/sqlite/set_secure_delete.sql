-- From now on, what is freed is filled with zeros: the value that stands then.
PRAGMA secure_delete = ON;
