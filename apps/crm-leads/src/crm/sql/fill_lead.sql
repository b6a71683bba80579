-- What a file knows of a lead that the CRM does not: what is there stays. No row: nothing was new.
UPDATE lead
   SET domain = coalesce(domain, :domain), country = coalesce(country, :country),
       given_name = iif(given_name = '', :given_name, given_name), family_name = iif(family_name = '', :family_name, family_name),
       title = iif(title = '', :title, title), phone = iif(phone = '', :phone, phone), note = iif(note = '', :note, note),
       email = coalesce(email, :email), key_email = coalesce(key_email, :key_email), key_site = coalesce(key_site, :key_site),
       key_name = coalesce(key_name, :key_name), version = version + 1
 WHERE id = :lead
   AND (domain IS NULL AND :domain IS NOT NULL OR country IS NULL AND :country IS NOT NULL OR email IS NULL AND :email IS NOT NULL
        OR given_name = '' AND :given_name <> '' OR family_name = '' AND :family_name <> '' OR title = '' AND :title <> ''
        OR phone = '' AND :phone <> '' OR note = '' AND :note <> '')
RETURNING id;
