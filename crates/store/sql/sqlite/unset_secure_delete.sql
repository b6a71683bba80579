-- What is freed is filled with zeros only where that writes no more pages: the value that stands then.
PRAGMA secure_delete = FAST;
