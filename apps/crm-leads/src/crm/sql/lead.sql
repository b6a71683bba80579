-- Who a lead is, and how it stands. No row: there is none.
SELECT id, company, version, domain, country, given_name, family_name, title, email, phone, note, owner, source, source_ref, created_by,
       created_at_us, enrichment, run, enriched_by_run, fit_score, intent_score
  FROM lead WHERE id = :lead;
