-- How a person has voted, and the message that told it. No row: not yet.
SELECT decision, seq FROM vote WHERE approval = :approval AND voter = :voter;
