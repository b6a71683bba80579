//! What is asked of a company, what was read, and what became of it: fact → claim.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A field of an enriched lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The company's registered name.
    LegalName,
    /// One line that says what it does.
    Description,
    /// Its line of business.
    Industry,
    /// People who work there: `{min, max}`.
    HeadcountRange,
    /// The year of its foundation.
    FoundedYear,
    /// The city of its head office.
    HqCity,
    /// The country of its head office: ISO 3166-1 alpha-2.
    HqCountry,
    /// Whom it sells to: `b2b`, `b2c`, `marketplace`.
    BusinessModel,
    /// What it builds with: a list of names.
    Technologies,
    /// Its public mail address.
    ContactEmail,
    /// Its page in a social network.
    SocialProfile,
    /// How it works from afar.
    RemotePolicy,
    /// Jobs that it offers: a list of titles.
    OpenRoles,
}

impl Field {
    /// All of them, in the order in which people read them.
    pub const ALL: [Field; 13] = [
        Field::LegalName,
        Field::Description,
        Field::Industry,
        Field::BusinessModel,
        Field::HeadcountRange,
        Field::FoundedYear,
        Field::HqCity,
        Field::HqCountry,
        Field::Technologies,
        Field::OpenRoles,
        Field::RemotePolicy,
        Field::ContactEmail,
        Field::SocialProfile,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Field::LegalName => "legal_name",
            Field::Description => "description",
            Field::Industry => "industry",
            Field::HeadcountRange => "headcount_range",
            Field::FoundedYear => "founded_year",
            Field::HqCity => "hq_city",
            Field::HqCountry => "hq_country",
            Field::BusinessModel => "business_model",
            Field::Technologies => "technologies",
            Field::ContactEmail => "contact_email",
            Field::SocialProfile => "social_profile",
            Field::RemotePolicy => "remote_policy",
            Field::OpenRoles => "open_roles",
        }
    }

    /// Reads what [`Field::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|field| field.as_str() == text)
    }

    /// Values of several pages add up instead of contradicting each other.
    pub fn is_list(self) -> bool {
        matches!(self, Field::Technologies | Field::OpenRoles)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a fact was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// JSON-LD or OpenGraph of the page.
    Structured,
    /// A model read it in the page's text.
    Prose,
}

/// One thing that a reader says a page states. Nothing of it is believed yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is about; a name that we do not know is dropped with a reason.
    pub field: String,
    /// Its value, of whatever type the reader gave.
    #[serde(default)]
    pub value: Value,
    /// The words of the page.
    #[serde(default)]
    pub quote: String,
    /// How sure the reader says it is. It may lower our own confidence and never raises it.
    #[serde(default)]
    pub confidence: Option<f64>,
    /// The date of which the page says so.
    #[serde(default)]
    pub as_of: Option<String>,
}

/// Where a claim comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The page.
    pub url: String,
    /// SHA-256 over its bytes.
    pub sha256: String,
    /// Its words.
    pub quote: String,
    /// Where they begin in the page's text, in bytes; `None` for structured data.
    #[serde(default)]
    pub start: Option<usize>,
}

/// A fact whose words stand on its page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// What it is about.
    pub field: Field,
    /// Its value, of the field's own type.
    pub value: Value,
    /// How it was read.
    pub method: Method,
    /// The reader's own doubt: at most 1.
    pub ceiling: f64,
    /// The year of which the page says so, if it does.
    #[serde(default)]
    pub as_of_year: Option<i64>,
    /// Where.
    pub evidence: Evidence,
}

/// A fact that was not believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// What it was about.
    pub field: String,
    /// What it said.
    pub value: Value,
    /// The page.
    pub url: String,
    /// Why not.
    pub reason: String,
}

/// What is known of one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Its name within the run: `c3`.
    pub id: String,
    /// What it is about.
    pub field: Field,
    /// Its value.
    pub value: Value,
    /// How likely it is right, from a table fitted on data.
    pub confidence: f64,
    /// A 90 % interval around it.
    pub ci: [f64; 2],
    /// How it was read; `structured` where both ways agree.
    pub method: Method,
    /// What it is in the table of confidence.
    pub kind: String,
    /// The reader's own doubt: at most 1.
    pub ceiling: f64,
    /// How many pages say so.
    pub pages: usize,
    /// The year of which they say so, if they do.
    #[serde(default)]
    pub as_of_year: Option<i64>,
    /// Where it comes from, the best first.
    pub evidence: Vec<Evidence>,
    /// What other pages say instead.
    #[serde(default)]
    pub conflicts: Vec<Conflict>,
}

/// Another value for the same field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// The value.
    pub value: Value,
    /// Where it comes from.
    pub evidence: Evidence,
}
