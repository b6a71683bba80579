-- Where a piece of work stands in a list.
SELECT opened_at_us AS at_us FROM work WHERE id = :id;
