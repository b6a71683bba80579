-- Where an approval stands in a list.
SELECT requested_at_us AS at_us FROM approval WHERE id = :id;
