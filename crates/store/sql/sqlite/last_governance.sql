-- The newest change to what runs are judged by. No row: there was none.
SELECT no, hash FROM governance ORDER BY no DESC LIMIT 1;
