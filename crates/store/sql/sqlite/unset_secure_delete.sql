-- What is freed stays until it is used again: the value that stands then.
PRAGMA secure_delete = OFF;
