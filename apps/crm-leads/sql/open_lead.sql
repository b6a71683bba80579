-- The lead as it stands, made if the CRM does not have it yet, with everything that the team has set up.
INSERT INTO lead (id, company, version) VALUES (:id, :company, :version) ON CONFLICT (id) DO NOTHING;
SELECT (SELECT coalesce(json_group_array(json_object('field', field, 'version', version)), '[]')
          FROM field_value WHERE lead = :id) AS fields,
       (SELECT json_group_array(json_object('field', field, 'mode', mode, 'min_ci_low', min_ci_low))
          FROM field_policy) AS policies,
       (SELECT json_group_array(json_object('id', id, 'axis', axis, 'label', label, 'field', field, 'test', test,
                                            'with', json("with"), 'points', points))
          FROM score_rule) AS rules,
       (SELECT json_group_array(field) FROM field_policy WHERE mode <> 'never') AS asked;
