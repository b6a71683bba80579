-- The version of a field; no row: it is empty.
SELECT version FROM field_value WHERE lead = :lead AND field = :field;
