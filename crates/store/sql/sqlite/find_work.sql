-- Who does a piece of work, and whether it is closed. No row: there is no such work.
SELECT claimed_by, closed_at_us IS NOT NULL FROM work WHERE id = :id;
