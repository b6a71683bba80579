-- What a file knows of a lead that the CRM does not: what is there stays. A contact is one person: it is filled only if there is none yet, or
-- if it is the same one. No row: nothing was new.
WITH now AS (
    SELECT id, given_name = '' AND family_name = '' AND email IS NULL OR coalesce(key_email = :key_email, 0) AS same
      FROM lead WHERE id = :lead
)
UPDATE lead
   SET domain = coalesce(domain, :domain), country = coalesce(country, :country),
       given_name = iif(now.same AND given_name = '', :given_name, given_name),
       family_name = iif(now.same AND family_name = '', :family_name, family_name),
       title = iif(now.same AND title = '', :title, title), phone = iif(now.same AND phone = '', :phone, phone),
       note = iif(note = '', :note, note),
       email = iif(now.same, coalesce(email, :email), email), key_email = iif(now.same, coalesce(key_email, :key_email), key_email),
       key_site = coalesce(key_site, :key_site), key_name = coalesce(key_name, :key_name), version = version + 1
  FROM now
 WHERE lead.id = now.id
   AND (domain IS NULL AND :domain IS NOT NULL OR country IS NULL AND :country IS NOT NULL OR note = '' AND :note <> ''
        OR now.same AND (email IS NULL AND :email IS NOT NULL OR given_name = '' AND :given_name <> ''
                         OR family_name = '' AND :family_name <> '' OR title = '' AND :title <> '' OR phone = '' AND :phone <> ''))
RETURNING lead.id;
