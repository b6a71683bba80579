//! Who the lead is, which site is theirs, and which of its pages are read. No person's data goes further than this.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::page::{Page, host};

/// Mailboxes of people, not of companies.
const FREE_MAIL: &str = include_str!("../data/free-mail.txt");

/// Words that a company's name has in law and nobody looks for.
const LEGAL_FORMS: [&str; 24] = [
    "inc",
    "llc",
    "ltd",
    "limited",
    "corp",
    "corporation",
    "co",
    "company",
    "gmbh",
    "ag",
    "sa",
    "sas",
    "sarl",
    "bv",
    "nv",
    "oy",
    "ab",
    "as",
    "aps",
    "plc",
    "pty",
    "srl",
    "spa",
    "the",
];

/// What is known before anything is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The company's name as the lead has it.
    pub company: String,
    /// What its name comes to without its legal form, in small letters.
    pub words: Vec<String>,
    /// Sites that may be theirs, the likeliest first.
    pub candidates: Vec<Candidate>,
    /// The contact's first name and title: all that later stages may know of a person.
    pub contact: Contact,
    /// What a person should look at.
    pub notes: Vec<String>,
}

/// A site that may be theirs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its front page.
    pub url: String,
    /// Where the idea comes from: `domain`, `mail`.
    pub from: String,
}

/// A contact: what a sales form holds, and of it what later stages may know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// First name.
    #[serde(default)]
    pub given_name: String,
    /// Title.
    #[serde(default)]
    pub title: String,
    /// Address. It ends here: [`intake`] takes its domain and gives it to nobody.
    #[serde(default, skip_serializing)]
    pub email: Option<String>,
}

/// A lead as the sales form has it, as far as enrichment reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lead {
    /// Its id in the CRM.
    pub id: String,
    /// Its version: +1 at every change.
    #[serde(default)]
    pub version: i64,
    /// The company's name.
    pub name: String,
    /// The company's domain or website, if the form has it.
    #[serde(default)]
    pub domain: Option<String>,
    /// The contact.
    #[serde(default)]
    pub contact: Contact,
}

/// Stage 0: the identity, from the lead alone.
pub fn intake(lead: &Lead) -> Identity {
    let (mut candidates, mut notes): (Vec<Candidate>, Vec<String>) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    let mut candidate = |site: &str, from: &str| {
        if seen.insert(site.to_owned()) {
            // The second one is for sites that never had a certificate.
            for scheme in ["https", "http"] {
                candidates.push(Candidate { url: format!("{scheme}://{site}/"), from: from.to_owned() });
            }
        }
    };
    if let Some(website) = lead.domain.as_deref().map(str::trim).filter(|site| !site.is_empty()) {
        let url = if website.contains("://") { website.to_owned() } else { format!("https://{website}") };
        match host(&url) {
            Some(site) => candidate(&site, "domain"),
            None => notes.push(format!("the domain `{website}` is no address")),
        }
    }
    if let Some(mail) = lead.contact.email.as_deref() {
        let domain = mail.rsplit_once('@').map(|(_, domain)| domain.trim().to_lowercase());
        match domain.as_deref().and_then(|domain| host(&format!("https://{domain}"))) {
            Some(domain) if is_free_mail(&domain) => notes.push(format!("{domain} gives mailboxes to everybody")),
            Some(domain) => candidate(&domain, "mail"),
            None => notes.push("the contact's address has no domain".to_owned()),
        }
    }
    let contact = Contact { email: None, ..lead.contact.clone() };
    Identity { company: lead.name.clone(), words: words(&lead.name), candidates, contact, notes }
}

/// Whether a domain gives mailboxes to everybody.
pub fn is_free_mail(domain: &str) -> bool {
    FREE_MAIL.lines().any(|line| line == domain)
}

/// A name's words without its legal form.
pub fn words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let all = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<String> = all.clone().filter(|word| !LEGAL_FORMS.contains(word)).map(str::to_owned).collect();
    if words.is_empty() { all.map(str::to_owned).collect() } else { words }
}

/// The site that is theirs, or why none is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// Its host; `None`: unknown.
    pub host: Option<String>,
    /// Why.
    pub reason: String,
    /// Pages to read, the front page first.
    pub pages: Vec<String>,
}

/// Most pages of one site.
const MOST_PAGES: usize = 12;

/// Stages 1 and 2: `doors` are the front pages of the candidates, in their order; `None` for one that could not be read.
pub fn resolve(identity: &Identity, doors: &[Option<Page>]) -> Site {
    let mut reasons = identity.notes.clone();
    for (candidate, door) in identity.candidates.iter().zip(doors) {
        let Some(site) = host(&candidate.url) else { continue };
        let Some(door) = door else {
            reasons.push(format!("{site} does not answer"));
            continue;
        };
        if !door.robots.allowed {
            reasons.push(format!("{site} does not want to be read"));
            continue;
        }
        if !door.is_readable() {
            reasons.push(match door.status {
                status if (200..300).contains(&status) => format!("{site} has an empty front page"),
                status => format!("{site} answers {status}"),
            });
            continue;
        }
        if let Some(sign) = parked(door) {
            reasons.push(format!("{site} is parked: it says `{sign}`"));
            continue;
        }
        let end = host(door.address()).unwrap_or_else(|| site.clone());
        if !same_site(&end, &site) && !names(&identity.words, &end) {
            reasons.push(format!("{site} leads to {end}"));
            continue;
        }
        if !(is_theirs(identity, door) || names(&identity.words, &site)) {
            reasons.push(format!("{site} does not name {}", identity.company));
            continue;
        }
        let reason = format!("{site}, from the lead's {}, names them", candidate.from);
        return Site { pages: pages(door, &end), host: Some(end), reason };
    }
    // A site that answers one way need not answer the other.
    let silent = |reason: &str| reason.strip_suffix(" does not answer").map(str::to_owned);
    let spoke = |site: &str| reasons.iter().any(|reason| silent(reason).is_none() && reason.starts_with(site));
    let mut reasons: Vec<String> =
        reasons.iter().filter(|reason| silent(reason).is_none_or(|site| !spoke(&site))).cloned().collect();
    reasons.dedup();
    if reasons.is_empty() {
        reasons.push("the lead names no site".to_owned());
    }
    Site { host: None, reason: reasons.join("; "), pages: Vec::new() }
}

/// Phrases of domains that are for sale or have no owner's content.
fn parked(door: &Page) -> Option<&'static str> {
    const SIGNS: [&str; 16] = [
        "domain is for sale",
        "domain may be for sale",
        "buy this domain",
        "domain is parked",
        "parked domain",
        "parked free",
        "domain has expired",
        "domain name has expired",
        "pending renewal or deletion",
        "sponsored listings",
        "registered at auction",
        "related searches",
        "domain name is available",
        "make an offer",
        "domain parking",
        "inquire about this domain",
    ];
    // A company that sells domains says so on a long page; a parked one says little else.
    let text = format!("{} {}", door.title.as_deref().unwrap_or_default(), door.text).to_lowercase();
    if text.len() > 3_000 {
        return None;
    }
    SIGNS.into_iter().find(|sign| text.contains(sign))
}

fn same_site(one: &str, other: &str) -> bool {
    one == other || one.ends_with(&format!(".{other}")) || other.ends_with(&format!(".{one}"))
}

/// Whether the host holds the name's first words.
fn names(words: &[String], host: &str) -> bool {
    let label = host.split('.').next().unwrap_or_default().replace('-', "");
    !words.is_empty() && (label == words.concat() || label.starts_with(&words.concat()))
}

fn is_theirs(identity: &Identity, door: &Page) -> bool {
    let head = [door.title.as_deref(), door.description.as_deref(), door.open_graph["og:site_name"].as_str()];
    let text = head.into_iter().flatten().chain([&*door.text]).collect::<Vec<_>>().join(" ").to_lowercase();
    let there: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    !identity.words.is_empty() && identity.words.iter().all(|word| there.contains(&**word))
}

/// Where companies say what is asked for, in the order in which it is worth reading.
const WORTH: [(&str, &[&str]); 7] = [
    ("about", &["about", "company", "who we are", "our story", "team", "over ons", "impressum", "imprint"]),
    ("careers", &["career", "jobs", "join", "hiring", "work with us", "vacanc"]),
    ("contact", &["contact", "office", "location"]),
    ("legal", &["legal", "terms", "privacy"]),
    ("product", &["product", "service", "platform", "solution", "feature", "pricing", "plans"]),
    ("news", &["news", "press", "blog"]),
    ("other", &["faq", "technology", "stack", "engineering", "culture"]),
];

/// The front page, then those of its links within the site that are worth reading.
fn pages(door: &Page, site: &str) -> Vec<String> {
    let mut chosen = vec![door.address().to_owned()];
    let mut seen: BTreeSet<String> = chosen.iter().map(|url| key(url)).collect();
    if let Some(target) = refresh(door).filter(|url| host(url).is_some_and(|there| same_site(&there, site)))
        && seen.insert(key(&target))
    {
        chosen.push(target);
    }
    for (_, signs) in WORTH {
        for link in &door.links {
            let url = link.url.split('#').next().unwrap_or_default();
            let inside = host(url).is_some_and(|there| same_site(&there, site));
            let (path, text) = (path(url).to_lowercase(), link.text.to_lowercase());
            let fits =
                |sign: &&str| path.contains(&sign.replace(' ', "-")) || path.contains(*sign) || text.contains(*sign);
            if inside && !is_file(&path) && signs.iter().any(fits) && chosen.len() < MOST_PAGES && seen.insert(key(url))
            {
                chosen.push(url.to_owned());
            }
        }
    }
    chosen
}

fn refresh(door: &Page) -> Option<String> {
    match door.refresh.as_ref()? {
        serde_json::Value::String(url) => Some(url.clone()),
        other => other.get("url")?.as_str().map(str::to_owned),
    }
}

fn path(url: &str) -> String {
    url::Url::parse(url).map(|url| url.path().to_owned()).unwrap_or_default()
}

/// `/about`, `/about/` and `/about.html` are one page more often than not; reading it twice is only slow.
fn key(url: &str) -> String {
    path(url).trim_end_matches('/').trim_end_matches("/index.html").to_lowercase()
}

fn is_file(path: &str) -> bool {
    [".pdf", ".png", ".jpg", ".svg", ".zip", ".xml", ".css", ".js", ".ico"].iter().any(|end| path.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::{Link, Robots};

    fn lead(company: &str, website: Option<&str>, email: Option<&str>) -> Lead {
        let contact = Contact { email: email.map(Into::into), ..Contact::default() };
        Lead { name: company.into(), domain: website.map(Into::into), contact, ..Lead::default() }
    }

    fn door(url: &str, text: &str) -> Page {
        Page { url: url.into(), status: 200, text: text.into(), robots: Robots { allowed: true }, ..Page::default() }
    }

    #[test]
    fn candidates_come_from_the_form_and_the_mail() {
        let identity = intake(&lead("Foo Works GmbH", Some("www.foo.test"), Some("ann@fooworks.test")));
        let urls: Vec<&str> = identity.candidates.iter().map(|candidate| &*candidate.url).collect();
        assert_eq!(
            (urls, identity.words),
            (
                vec!["https://foo.test/", "http://foo.test/", "https://fooworks.test/", "http://fooworks.test/"],
                vec!["foo".into(), "works".into()]
            )
        );
        let identity = intake(&lead("Foo", None, Some("ann@gmail.com")));
        assert_eq!((identity.candidates.len(), &*identity.notes[0]), (0, "gmail.com gives mailboxes to everybody"));
    }

    #[test]
    fn a_site_must_name_them() {
        let identity = intake(&lead("Foo Works", Some("https://fw.test"), None));
        let site = |text: &str| resolve(&identity, &[Some(door("https://fw.test/", text)), None]);
        assert_eq!(site("Welcome to Foo, which works.").host.as_deref(), Some("fw.test"));
        assert_eq!(site("Welcome to Bar.").reason, "fw.test does not name Foo Works");
        assert_eq!(site("Foo Works: buy this domain").reason, "fw.test is parked: it says `buy this domain`");
        let gone = Page { status: 404, ..door("https://fw.test/", "Foo Works") };
        assert_eq!(resolve(&identity, &[Some(gone), None]).reason, "fw.test answers 404");
        assert_eq!(resolve(&identity, &[None, None]).reason, "fw.test does not answer");
        let closed = Page { robots: Robots { allowed: false }, ..door("https://fw.test/", "Foo Works") };
        assert_eq!(resolve(&identity, &[Some(closed), None]).reason, "fw.test does not want to be read");
    }

    #[test]
    fn pages_worth_reading_are_chosen_within_the_site() {
        let identity = intake(&lead("Foo", Some("foo.test"), None));
        let link = |url: &str, text: &str| Link { url: url.into(), text: text.into() };
        let mut front = door("https://foo.test/", "Foo");
        front.links = vec![
            link("https://foo.test/news.html", "News"),
            link("https://other.test/about", "About"),
            link("https://foo.test/x", "Who we are"),
            link("https://foo.test/about.pdf", "About"),
            link("https://foo.test/#about", "About"),
            link("https://jobs.foo.test/", "Jobs"),
        ];
        let site = resolve(&identity, &[Some(front), None]);
        assert_eq!(site.pages, ["https://foo.test/", "https://foo.test/x", "https://foo.test/news.html"]);
    }
}
