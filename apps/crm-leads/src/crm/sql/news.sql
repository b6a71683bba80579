-- What runs brought to somebody's leads, and to those that are nobody's, newest first. :person empty: to all.
SELECT notification.id, notification.at_us, notification.look, notification.text, notification.state <> 'read', lead.id, lead.company
  FROM notification JOIN lead ON lead.id = notification.lead
 WHERE :person = '' OR lead.owner IS NULL OR lead.owner = :person
 ORDER BY notification.at_us DESC, notification.id DESC LIMIT 200;
