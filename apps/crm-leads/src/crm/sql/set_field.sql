-- A person sets a field: from now on no run changes it. Zero rows: it is not any more as the person saw it.
INSERT INTO field_value (lead, field, value, set_by, claim, version)
SELECT :lead, :field, :value, 'person', :claim, 1 WHERE :seen_version = 0
    OR EXISTS (SELECT 1 FROM field_value WHERE lead = :lead AND field = :field)
ON CONFLICT (lead, field) DO UPDATE
   SET value = excluded.value, set_by = 'person', claim = excluded.claim, version = version + 1 WHERE version = :seen_version;
