-- How much is unread, by the owner of the lead.
SELECT lead.owner, count(*) FROM notification JOIN lead ON lead.id = notification.lead WHERE notification.state <> 'read' GROUP BY lead.owner;
