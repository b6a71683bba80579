//! The truth about a site, as it is written to `truth.json`.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Odd;

/// What a fact is about. What the truth does not hold, the site does not state. Four fields are softer, because a profile's own words
/// touch them everywhere: of [`Field::Description`], [`Field::Industry`], [`Field::BusinessModel`] and [`Field::RemotePolicy`] the truth
/// holds what is said outright, and a reader may find more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The registered name, with its legal form. A string.
    LegalName,
    /// One line or one paragraph on what it does. A string.
    Description,
    /// Its industry. A string.
    Industry,
    /// `{min, max}`: see [`super::Headcount`].
    HeadcountRange,
    /// A year.
    FoundedYear,
    /// The town of the head office. A string.
    HqCity,
    /// The country of the head office: ISO 3166 alpha-2.
    HqCountry,
    /// `b2b`, `b2c` or `marketplace`.
    BusinessModel,
    /// `per_user`, `flat`, `usage` or `quote`.
    PricingModel,
    /// A list of names.
    Technologies,
    /// One role: `{title, location}`; a page with three roles states three facts.
    OpenRoles,
    /// An address.
    ContactEmail,
    /// As printed.
    ContactPhone,
    /// The address of a profile elsewhere.
    SocialProfile,
    /// `fully-remote`, `remote-first`, `remote-friendly` or `hybrid`.
    RemotePolicy,
}

impl Field {
    /// All, in the order of a report.
    pub const ALL: [Field; 15] = [
        Field::LegalName,
        Field::Description,
        Field::Industry,
        Field::HeadcountRange,
        Field::FoundedYear,
        Field::HqCity,
        Field::HqCountry,
        Field::BusinessModel,
        Field::PricingModel,
        Field::Technologies,
        Field::OpenRoles,
        Field::ContactEmail,
        Field::ContactPhone,
        Field::SocialProfile,
        Field::RemotePolicy,
    ];
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// How a fact stands on its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// In data for machines, or in an address that a link names.
    Structured,
    /// In words for people.
    Prose,
}

/// Where exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `application/ld+json`.
    JsonLd,
    /// A `meta property="og:…"`.
    OpenGraph,
    /// A `meta name`.
    Meta,
    /// The address of a link.
    Link,
    /// A sentence.
    Sentence,
    /// A label and its value: "Founded 2012" in a list of key facts, a line of an address, a footer.
    Label,
    /// A paragraph of the profile itself.
    Profile,
}

/// One statement of a site. A site may state one fact several times, and then it stands here as often; what a footer says on every page
/// is noted once, for the home page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The field.
    pub field: Field,
    /// Its value.
    pub value: Value,
    /// The path of the page, as in `/about.html`; the first page is `/`.
    pub page: String,
    /// Prose: words of the page's text. Structured: characters of its source, entities decoded.
    pub quote: String,
    /// Structured data or prose.
    pub kind: Kind,
    /// Where exactly.
    pub form: Form,
    /// The year that the statement gives itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<u32>,
}

/// Text that tries to give orders to its reader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Injection {
    /// The page.
    pub page: String,
    /// `visible`, `hidden`, `comment` or `attribute`.
    pub place: String,
    /// The text, entities decoded.
    pub text: String,
}

/// A site of another company of the same name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Collision {
    /// The host of the company that a lead means.
    pub own: String,
    /// The host of its namesake.
    pub namesake: String,
}

/// What is named without being stated: neither right nor wrong to find.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mentions {
    /// Technologies that a text names in passing ("a home for Ruby developers").
    pub technologies: Vec<String>,
}

/// Everything true about one host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The host.
    pub host: String,
    /// The company's slug; a namesake has none of its own and bears that of the company it is taken for.
    pub slug: String,
    /// The name on the site.
    pub name: String,
    /// Its odd kinds; empty for most.
    pub odd: Vec<Odd>,
    /// How its pages are encoded: `utf-8` or `windows-1252`.
    pub charset: String,
    /// Its pages, those that are disallowed included.
    pub pages: Vec<String>,
    /// The pages that robots.txt forbids.
    pub disallowed: Vec<String>,
    /// What it states about the company.
    pub facts: Vec<Fact>,
    /// What only disallowed pages state: nobody may know it.
    pub forbidden: Vec<Fact>,
    /// Statements about others: wrong for this company.
    pub distractors: Vec<Fact>,
    /// Fields that the site states with two values.
    pub conflicts: Vec<Field>,
    /// Orders to a reader.
    pub injections: Vec<Injection>,
    /// Two companies of one name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collision: Option<Collision>,
    /// Neither right nor wrong.
    pub mentions: Mentions,
}

/// The file `truth.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TruthFile {
    /// The seed that the sites were phrased by.
    pub seed: u64,
    /// Every host.
    pub sites: Vec<Truth>,
}
