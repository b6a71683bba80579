//! What a person, a file or a program says of a lead, and whether the CRM has it already: one rule for all three.
//!
//! The rule: the same address; else the same registrable domain, unless it gives mailboxes to everybody; else the same name and country.

use rusqlite::{Connection, OptionalExtension as _, named_params};
use serde::{Deserialize, Serialize};

use super::CrmError;
use crate::{
    countries,
    page::host,
    resolve::{is_free_mail, words},
};

/// As it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Draft {
    /// The company.
    pub name: String,
    /// Its website or domain.
    pub domain: String,
    /// Its country, as a name or a code.
    pub country: String,
    /// The contact's first name.
    pub given_name: String,
    /// The contact's last name.
    pub family_name: String,
    /// What the contact does.
    pub title: String,
    /// The contact's address.
    pub email: String,
    /// The contact's number.
    pub phone: String,
    /// Anything else.
    pub note: String,
    /// Whose it is.
    pub owner: String,
}

/// Its parts: the name in forms and files, what people read, and what else columns of files are called.
pub const PARTS: [(&str, &str, &[&str]); 10] = [
    ("name", "Company", &["company", "company name", "account", "account name", "organisation", "organization"]),
    ("domain", "Website or domain", &["website", "url", "web", "site", "company domain", "homepage"]),
    ("country", "Country", &["country code", "company country"]),
    ("given_name", "First name", &["first name", "firstname", "given name", "first"]),
    ("family_name", "Last name", &["last name", "lastname", "family name", "surname", "last"]),
    ("title", "Job title", &["job title", "position", "role"]),
    ("email", "E-mail", &["e mail", "email address", "e mail address", "mail", "work email"]),
    ("phone", "Phone", &["phone number", "telephone", "tel", "mobile"]),
    ("note", "Note", &["notes", "comment", "comments"]),
    ("owner", "Owner", &["lead owner", "account owner", "assigned to"]),
];

impl Draft {
    /// One of its parts, by its name in forms and files.
    pub fn part(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "name" => &mut self.name,
            "domain" => &mut self.domain,
            "country" => &mut self.country,
            "given_name" => &mut self.given_name,
            "family_name" => &mut self.family_name,
            "title" => &mut self.title,
            "email" => &mut self.email,
            "phone" => &mut self.phone,
            "note" => &mut self.note,
            "owner" => &mut self.owner,
            _ => return None,
        })
    }
}

/// A lead that can be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clean {
    /// The company.
    pub name: String,
    /// The host of its website.
    pub domain: Option<String>,
    /// Its country's code.
    pub country: Option<String>,
    /// The contact.
    pub given_name: String,
    /// The contact.
    pub family_name: String,
    /// What the contact does.
    pub title: String,
    /// The contact's address.
    pub email: Option<String>,
    /// The contact's number.
    pub phone: String,
    /// Anything else.
    pub note: String,
    /// Whose it is.
    pub owner: Option<String>,
    /// What it is known by.
    pub keys: Keys,
}

/// What a lead is known by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The address, in small letters.
    pub email: Option<String>,
    /// The registrable domain of its site, or of the address.
    pub site: Option<String>,
    /// The name without its legal form, in small letters.
    pub name: String,
}

/// By what two leads are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The address.
    Email,
    /// The site.
    Site,
    /// The name and the country.
    Name,
}

impl Known {
    /// As people read it.
    pub fn told(self) -> &'static str {
        match self {
            Known::Email => "the same e-mail address",
            Known::Site => "the same domain",
            Known::Name => "the same name and country",
        }
    }
}

/// Whether the CRM has a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It has not.
    New,
    /// It has: id and company.
    Same {
        /// The lead.
        id: String,
        /// Its company.
        company: String,
        /// By what.
        by: Known,
    },
    /// It may have: ids and companies.
    Unclear(Vec<(String, String)>),
}

/// What is wrong with a draft: the part, and one sentence.
pub type Wrong = Vec<(&'static str, String)>;

/// Reads a draft. `people` are those who can own a lead.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(draft: &Draft, people: &[impl AsRef<str>]) -> Result<Clean, Wrong> {
    let mut wrong = Wrong::new();
    let tidy = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut clean = Clean {
        name: tidy(&draft.name),
        given_name: tidy(&draft.given_name),
        family_name: tidy(&draft.family_name),
        title: tidy(&draft.title),
        phone: tidy(&draft.phone),
        note: draft.note.trim().to_owned(),
        ..Clean::default()
    };
    if clean.name.is_empty() {
        wrong.push(("name", "the company has no name".to_owned()));
    }
    for (part, text, most) in [
        ("name", &clean.name, 200),
        ("given_name", &clean.given_name, 100),
        ("family_name", &clean.family_name, 100),
        ("title", &clean.title, 100),
        ("phone", &clean.phone, 40),
        ("note", &clean.note, 2000),
    ] {
        if text.chars().count() > most {
            wrong.push((part, format!("it is longer than {most} characters")));
        }
    }
    let domain = draft.domain.trim();
    if !domain.is_empty() {
        match site(domain) {
            Some(host) => clean.domain = Some(host),
            None => wrong.push(("domain", format!("`{}` is no address of a website", cut(domain)))),
        }
    }
    let country = draft.country.trim();
    if !country.is_empty() {
        match countries::code(country) {
            Some(code) => clean.country = Some(code.to_owned()),
            None => wrong.push(("country", format!("`{}` is no country that we know", cut(country)))),
        }
    }
    let email = draft.email.trim();
    if !email.is_empty() {
        match address(email) {
            Some(address) => clean.email = Some(address),
            None => wrong.push(("email", format!("`{}` is no e-mail address", cut(email)))),
        }
    }
    let owner = draft.owner.trim();
    if !owner.is_empty() {
        match people.iter().find(|person| person.as_ref() == owner) {
            Some(_) => clean.owner = Some(owner.to_owned()),
            None => wrong.push(("owner", format!("`{}` is not in people.yaml", cut(owner)))),
        }
    }
    clean.keys = Keys::of(&clean);
    if wrong.is_empty() { Ok(clean) } else { Err(wrong) }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The host of a website, however it is written.
fn site(text: &str) -> Option<String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let host = host(&url).filter(|_| url.len() <= 400)?;
    // A name, and no number of a machine.
    (host.contains('.')
        && host.rsplit('.').next()?.chars().all(char::is_alphanumeric)
        && host.parse::<std::net::IpAddr>().is_err())
    .then_some(host)
}

/// An e-mail address, trimmed; `None` if it is none.
pub(super) fn address(text: &str) -> Option<String> {
    let text = text.trim();
    let (name, domain) = text.rsplit_once('@')?;
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>,;:\"()[]\\@".contains(c);
    (!name.is_empty()
        && name.chars().all(plain)
        && text.len() <= 254
        && !domain.contains('/')
        && site(domain).is_some())
    .then(|| text.to_owned())
}

/// Endings below which everybody registers, as far as companies mostly have them. The whole list has thousands, and one that is missing here
/// only means that two leads are thought to be the same and a person is asked.
const SECOND_LEVEL: [&str; 8] = ["co", "com", "org", "net", "ac", "gov", "edu", "or"];

/// The part of a host that somebody has registered.
fn registrable(host: &str) -> String {
    let labels: Vec<&str> = host.split('.').collect();
    let keep = match labels.as_slice() {
        [.., second, country] if country.len() == 2 && SECOND_LEVEL.contains(second) => 3,
        _ => 2,
    };
    labels[labels.len().saturating_sub(keep)..].join(".")
}

impl Keys {
    fn of(lead: &Clean) -> Keys {
        let email = lead.email.as_ref().map(|email| email.to_lowercase());
        let of_mail = email.as_deref().and_then(|email| site(email.rsplit_once('@')?.1));
        let site = lead.domain.clone().or(of_mail).map(|host| registrable(&host)).filter(|site| !is_free_mail(site));
        Keys { site, name: words(&lead.name).join(" "), email }
    }
}

/// Whether the CRM has a lead like this one.
///
/// # Errors
/// The database.
pub fn find(db: &Connection, lead: &Clean) -> Result<Found, CrmError> {
    if let Some(email) = &lead.keys.email {
        let mut statement = db.prepare_cached(include_str!("sql/known_by_email.sql"))?;
        let known = statement.query_row(named_params! { ":key": email }, |row| Ok((row.get(0)?, row.get(1)?)));
        if let Some((id, company)) = known.optional()? {
            return Ok(Found::Same { id, company, by: Known::Email });
        }
    }
    if let Some(site) = &lead.keys.site {
        let mut statement = db.prepare_cached(include_str!("sql/known_by_site.sql"))?;
        let known = statement.query_map(named_params! { ":key": site }, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut known: Vec<(String, String)> = known.collect::<Result<_, _>>()?;
        match known.len() {
            0 => {}
            1 => {
                return Ok(known.pop().map_or(Found::New, |(id, company)| Found::Same {
                    id,
                    company,
                    by: Known::Site,
                }));
            }
            _ => return Ok(Found::Unclear(known)),
        }
    }
    let (mut same, mut maybe) = (Vec::new(), Vec::new());
    let mut statement = db.prepare_cached(include_str!("sql/known_by_name.sql"))?;
    let mut rows = statement.query(named_params! { ":key": lead.keys.name })?;
    while let Some(row) = rows.next()? {
        let known: (String, String) = (row.get(0)?, row.get(1)?);
        let (country, site): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
        // One name with two sites, or with a country that nobody knows, may be two companies.
        let apart = site.is_some() && lead.keys.site.is_some();
        match (&country, &lead.country) {
            (Some(theirs), Some(ours)) if theirs != ours => {}
            (Some(_), Some(_)) if !apart => same.push(known),
            _ => maybe.push(known),
        }
    }
    Ok(match (same.len(), maybe.is_empty()) {
        (0, true) => Found::New,
        (1, true) => same.pop().map_or(Found::New, |(id, company)| Found::Same { id, company, by: Known::Name }),
        _ => Found::Unclear(same.into_iter().chain(maybe).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crm::{Act, Added, add, tests::database};

    fn draft(name: &str, domain: &str, email: &str, country: &str) -> Clean {
        let [name, domain, email, country] = [name, domain, email, country].map(str::to_owned);
        check(&Draft { name, domain, email, country, ..Draft::default() }, &["rosa"])
            .expect("the tests' drafts are right")
    }

    #[test]
    fn the_same_address_then_the_same_site_then_the_same_name_and_country_is_the_same_lead() {
        let mut db = database();
        let act = Act { by: "rosa", now_us: 1 };
        let mut id = |lead: &Clean| match add(&mut db, lead, ("form", ""), false, &act) {
            Ok(Added::New(id)) => id,
            other => panic!("{other:?}"),
        };
        let pumps = id(&draft("Pumps Ltd", "www.pumps.co.uk", "ann@pumps.co.uk", "GB"));
        let bakery = id(&draft("Bakery", "", "joe@gmail.com", "FR"));
        let nowhere = id(&draft("Nowhere", "", "", ""));
        let found = |lead: &Clean| match find(&db, lead) {
            Ok(Found::Same { id, by, .. }) => format!("{by:?} {id}"),
            Ok(Found::Unclear(all)) => {
                format!("unclear {}", all.iter().map(|(id, _)| &**id).collect::<Vec<_>>().join(" "))
            }
            Ok(Found::New) => "new".to_owned(),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(found(&draft("Other", "", "ANN@pumps.co.uk", "")), format!("Email {pumps}"));
        assert_eq!(found(&draft("Other", "shop.pumps.co.uk", "", "")), format!("Site {pumps}"));
        assert_eq!(found(&draft("Other", "", "bob@pumps.co.uk", "")), format!("Site {pumps}"));
        // Everybody has a mailbox there, and everybody registers below `co.uk`.
        assert_eq!(found(&draft("Other", "", "ann@gmail.com", "")), "new");
        assert_eq!(found(&draft("Other", "brewery.co.uk", "", "")), "new");
        assert_eq!(found(&draft("BAKERY Inc.", "", "", "France")), format!("Name {bakery}"));
        assert_eq!(found(&draft("Bakery", "", "", "DE")), "new");
        // Nobody can know: one of them has no country, or they have two sites.
        assert_eq!(found(&draft("Bakery", "", "", "")), format!("unclear {bakery}"));
        assert_eq!(found(&draft("Nowhere", "", "", "DE")), format!("unclear {nowhere}"));
        assert_eq!(found(&draft("Pumps", "pumps.test", "", "GB")), format!("unclear {pumps}"));
    }

    #[test]
    fn everything_that_is_wrong_with_a_draft_is_told_at_once() {
        let draft = Draft {
            domain: "not a site".into(),
            country: "Narnia".into(),
            email: "ann@".into(),
            owner: "mallory".into(),
            ..Draft::default()
        };
        let wrong = check(&draft, &["rosa"]).expect_err("nothing of it is right");
        let wrong: Vec<_> = wrong.iter().map(|(part, says)| format!("{part}: {says}")).collect();
        assert_eq!(
            wrong,
            [
                "name: the company has no name",
                "domain: `not a site` is no address of a website",
                "country: `Narnia` is no country that we know",
                "email: `ann@` is no e-mail address",
                "owner: `mallory` is not in people.yaml",
            ]
        );
    }

    #[test]
    fn an_address_of_a_machine_is_no_website() {
        assert_eq!(
            (site("https://www.Pumps.test/about"), site("pumps.test:8080")),
            (Some("pumps.test".into()), Some("pumps.test".into()))
        );
        for text in ["127.0.0.1", "http://[::1]/", "localhost", "a b.test", "10.0.0.1:80"] {
            assert_eq!(site(text), None, "{text}");
        }
    }
}
