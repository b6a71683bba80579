//! What is known of a company: a profile of `data/companies`, read once.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Chance, Field};

static COMPANIES: LazyLock<Vec<Company>> = LazyLock::new(|| {
    include_str!("../../data/companies/companies.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("every line of companies.jsonl is a company: held by a test"))
        .collect()
});

static TECHNOLOGIES: LazyLock<BTreeMap<String, Vec<String>>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../data/companies/technologies.json"))
        .expect("technologies.json maps names to spellings: held by a test")
});

/// All companies, by slug.
pub fn companies() -> &'static [Company] {
    &COMPANIES
}

/// Names of technologies, and how else they are spelled.
pub fn technologies() -> &'static BTreeMap<String, Vec<String>> {
    &TECHNOLOGIES
}

/// One profile. `data/SOURCES.md` says what is verbatim and what was read from the prose.
#[derive(Clone, Debug, Deserialize)]
pub struct Company {
    /// The name as in an address: the host is `<slug>.test`.
    pub slug: String,
    /// The name.
    pub title: String,
    /// Where it hires.
    pub region: String,
    /// How far it is remote.
    pub remote_policy: String,
    /// When the profile was added, as a date.
    #[serde(default, rename = "addedAt")]
    pub added_at: Option<String>,
    /// What it says about itself, by paragraph.
    pub blurb: Vec<Paragraph>,
    /// What it says about remote work, by paragraph.
    pub remote: Vec<Paragraph>,
    /// Its size as the profile's front matter gives it: `tiny`, `small`, `medium`, `large`, `enterprise`.
    #[serde(default)]
    pub company_size: Option<String>,
    /// Its size, read from the profile's prose.
    #[serde(default)]
    pub headcount: Option<Headcount>,
    /// Its size in its own words.
    #[serde(default)]
    pub size_quote: Option<String>,
    /// Its head office.
    #[serde(default)]
    pub hq: Option<Place>,
    /// When it was founded, if the profile says so.
    #[serde(default)]
    pub founded: Option<u32>,
    /// What it builds with, by the names of [`technologies`].
    #[serde(default)]
    pub technologies: Vec<String>,
    /// Its industry.
    #[serde(default)]
    pub industry: Option<String>,
    /// `b2b`, `b2c` or `marketplace`.
    #[serde(default)]
    pub business_model: Option<String>,
}

/// A paragraph of a profile, verbatim.
#[derive(Clone, Debug, Deserialize)]
pub struct Paragraph {
    /// Its text, with the profile's inline marks.
    pub text: String,
    /// Why it is not shown.
    #[serde(default)]
    pub held: Option<String>,
    /// What it states.
    #[serde(default)]
    pub facts: Vec<Stated>,
}

/// A fact in a paragraph of a profile.
#[derive(Clone, Debug, Deserialize)]
pub struct Stated {
    /// The field.
    pub field: Field,
    /// Its value.
    pub value: Value,
    /// The words that say so.
    pub quote: String,
}

/// How many people: from `min` to `max`. `max` absent is "or more"; "around 50" is 50 to 50.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headcount {
    /// At least so many.
    pub min: u32,
    /// At most so many.
    pub max: Option<u32>,
}

/// A town and its country, as ISO 3166 alpha-2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The town, as people write it.
    pub city: String,
    /// The country's two letters.
    pub country: String,
}

impl Company {
    /// The paragraphs about itself that may be shown.
    pub fn shown(&self) -> impl Iterator<Item = &Paragraph> {
        self.blurb.iter().filter(|one| one.held.is_none())
    }

    /// Whether its own words are enough for a site.
    pub fn presentable(&self) -> bool {
        self.shown().any(|one| one.text.len() >= 60)
    }

    /// How many people it is: what the profile's prose says, or a size within the class of its front matter. It depends on the company only.
    pub fn size(&self) -> Option<Headcount> {
        self.headcount.or_else(|| {
            let mut chance = Chance::of(0, &format!("size {}", self.slug));
            let (low, high, usual) = match self.company_size.as_deref()? {
                "tiny" | "startup" => (3, 19, (1, Some(10))),
                "small" => (20, 49, (11, Some(50))),
                "medium" => (52, 195, (51, Some(200))),
                "large" => (210, 950, (201, Some(500))),
                "enterprise" => (1050, 9800, (1000, None)),
                _ => return None,
            };
            let exact = chance.between(low, high);
            Some(if chance.percent(50) {
                Headcount { min: exact, max: Some(exact) }
            } else {
                Headcount { min: usual.0, max: usual.1 }
            })
        })
    }

    /// When it was founded: what the profile says, or a year before it was added. It depends on the company only, never on a seed.
    pub fn founding(&self) -> u32 {
        self.founded.unwrap_or_else(|| {
            let added = self.added_at.as_ref().and_then(|date| date.get(..4)?.parse().ok()).unwrap_or(2019);
            added - Chance::of(0, &format!("founded {}", self.slug)).between(2, 14)
        })
    }
}

/// A country's name for its two letters; the letters themselves if they are not among ours.
pub(super) fn country_name(code: &str) -> &str {
    const NAMES: &[(&str, &str)] = &[
        ("AR", "Argentina"),
        ("AU", "Australia"),
        ("AT", "Austria"),
        ("BE", "Belgium"),
        ("BG", "Bulgaria"),
        ("BR", "Brazil"),
        ("CA", "Canada"),
        ("CH", "Switzerland"),
        ("CL", "Chile"),
        ("CY", "Cyprus"),
        ("DE", "Germany"),
        ("DK", "Denmark"),
        ("EE", "Estonia"),
        ("ES", "Spain"),
        ("FR", "France"),
        ("GB", "United Kingdom"),
        ("ID", "Indonesia"),
        ("IE", "Ireland"),
        ("IL", "Israel"),
        ("IN", "India"),
        ("IT", "Italy"),
        ("JP", "Japan"),
        ("KE", "Kenya"),
        ("KR", "South Korea"),
        ("LT", "Lithuania"),
        ("MD", "Moldova"),
        ("NL", "Netherlands"),
        ("NO", "Norway"),
        ("NZ", "New Zealand"),
        ("PL", "Poland"),
        ("PT", "Portugal"),
        ("RO", "Romania"),
        ("SE", "Sweden"),
        ("SG", "Singapore"),
        ("TH", "Thailand"),
        ("UA", "Ukraine"),
        ("US", "United States"),
        ("UY", "Uruguay"),
    ];
    NAMES.iter().find(|(known, _)| *known == code).map_or(code, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_company_and_every_fact_is_well_formed() {
        assert_eq!(companies().len(), 541);
        assert!(companies().is_sorted_by(|a, b| a.slug < b.slug), "by slug, none twice");
        assert!(technologies().len() > 100);
        for one in companies() {
            if let Some(Headcount { min, max }) = one.size() {
                assert!(min >= 1 && max.is_none_or(|max| max >= min), "{}: {min} to {max:?}", one.slug);
            }
            if let Some(place) = &one.hq {
                assert_ne!(country_name(&place.country), place.country, "{}: a country without a name", one.slug);
            }
            assert!((1800..2026).contains(&one.founding()), "{}", one.slug);
            for name in &one.technologies {
                assert!(technologies().contains_key(name), "{}: {name} has no entry", one.slug);
            }
            for paragraph in one.blurb.iter().chain(&one.remote) {
                for fact in &paragraph.facts {
                    assert!(paragraph.text.contains(&fact.quote), "{}: `{}` is not there", one.slug, fact.quote);
                    assert!(paragraph.held.is_none(), "{}: a fact of a paragraph that is not shown", one.slug);
                }
            }
        }
    }
}
