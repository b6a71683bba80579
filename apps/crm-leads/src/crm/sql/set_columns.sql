-- What the columns of a file mean. Zero rows: it is imported already.
UPDATE import_batch SET columns = :columns WHERE id = :batch AND state = 'open';
