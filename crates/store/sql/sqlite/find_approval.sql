-- What a vote is compared with. No row: there is no such approval.
SELECT run, shown, state, expires_at_us FROM approval WHERE id = :id;
