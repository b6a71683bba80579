//! What a sales form holds of a company before anybody has looked it up.

use serde::{Deserialize, Serialize};

use super::{Chance, Company};

/// One lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// A UUID of version 7.
    pub id: String,
    /// Its version; a new lead has 1.
    pub version: u32,
    /// The company's name, as somebody typed it.
    pub name: String,
    /// Its domain, if the form asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The person who filled in the form.
    pub contact: Contact,
    /// ISO 3166 alpha-2, if the form asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// `form`, `csv`, `api` or `email`.
    pub source: String,
    /// Which form, which file.
    pub source_ref: String,
    /// What the person wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A person of a lead. Made up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The given name.
    pub given_name: String,
    /// The family name, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    /// What the person does.
    pub title: String,
    /// The address, at the company's domain; absent in some leads that have a domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// The lead of a company whose site stands on `host`. A domain, an e-mail address or both are there.
pub(super) fn lead(company: &Company, host: &str, seed: u64) -> Lead {
    let mut chance = Chance::of(seed, &format!("lead {}", company.slug));
    let given = chance.pick(&[
        "Amara", "Bruno", "Chloe", "Daniel", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Keiko", "Liam",
        "Mina", "Noor", "Oskar", "Paula", "Rosa", "Sami", "Tessa", "Viktor", "Wanda", "Yusuf",
    ]);
    let family = chance.pick(&[
        "Adler",
        "Bello",
        "Costa",
        "Dubois",
        "Eriksen",
        "Fontana",
        "Garcia",
        "Horvat",
        "Ito",
        "Jansen",
        "Kowalska",
        "Lindqvist",
        "Moreau",
        "Novak",
        "Owusu",
        "Petrov",
        "Quinn",
        "Rossi",
        "Silva",
        "Tanaka",
    ]);
    let title = chance.pick(&[
        "Head of Operations",
        "CTO",
        "VP Sales",
        "Engineering Manager",
        "Founder",
        "Head of People",
        "Procurement Lead",
        "Marketing Manager",
        "Product Manager",
        "CFO",
    ]);
    let has_domain = chance.percent(65);
    let has_email = !has_domain || chance.percent(80);
    let mailbox = match chance.below(3) {
        0 => given.to_lowercase(),
        1 => format!("{}.{}", given.to_lowercase(), family.to_lowercase()),
        _ => format!("{}{}", given[..1].to_lowercase(), family.to_lowercase()),
    };
    let (source, source_ref) = *chance.pick(&[
        &("form", "contact-us"),
        &("form", "request-a-demo"),
        &("csv", "trade-fair-list"),
        &("api", "partner-feed"),
        &("email", "inbound"),
    ]);
    let note = chance.pick(&[
        "",
        "",
        "Please call me back next week.",
        "We are comparing three vendors.",
        "How does this work for a team that is mostly remote?",
        "Met at the fair, asked for pricing.",
    ]);
    Lead {
        id: id(&mut chance),
        version: 1,
        name: company.title.clone(),
        domain: has_domain.then(|| host.to_owned()),
        contact: Contact {
            given_name: given.to_owned(),
            family_name: chance.percent(70).then(|| family.to_owned()),
            title: title.to_owned(),
            email: has_email.then(|| format!("{mailbox}@{host}")),
        },
        country: company.hq.as_ref().filter(|_| chance.percent(50)).map(|place| place.country.clone()),
        source: source.to_owned(),
        source_ref: source_ref.to_owned(),
        note: (!note.is_empty()).then(|| note.to_owned()),
    }
}

/// A UUIDv7 whose time is a fixed day, 2025-11-03, and whose random bits are drawn.
fn id(chance: &mut Chance) -> String {
    const DAY_MS: u64 = 1_762_128_000_000;
    let ms = DAY_MS + chance.below(86_400_000) as u64;
    let (a, b) = (chance.next(), chance.next());
    format!(
        "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
        ms >> 16,
        ms & 0xffff,
        a & 0xfff,
        0x8000 | ((a >> 16) & 0x3fff),
        b & 0xffff_ffff_ffff
    )
}
