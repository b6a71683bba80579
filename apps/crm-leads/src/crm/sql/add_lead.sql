-- A new lead with what it is known by. Its event follows in the same transaction.
INSERT INTO lead (id, company, version, domain, country, given_name, family_name, title, email, phone, note, owner, source, source_ref,
                  created_by, created_at_us, enrichment, key_email, key_site, key_name)
VALUES (lower(hex(randomblob(10))), :name, 1, :domain, :country, :given_name, :family_name, :title, :email, :phone, :note, :owner, :source,
        :source_ref, :by, :now_us, 'queued', :key_email, :key_site, :key_name)
RETURNING id;
