//! A page as the tool `web` gives it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `web.read` gave, as far as this application uses it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// What was asked for.
    pub url: String,
    /// Where it ended after redirects.
    #[serde(default)]
    pub final_url: String,
    /// The status of the last answer; 0 if robots.txt forbade to ask.
    #[serde(default)]
    pub status: u16,
    /// SHA-256 over its bytes.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Its title.
    #[serde(default)]
    pub title: Option<String>,
    /// Its meta description.
    #[serde(default)]
    pub description: Option<String>,
    /// What people can read on it.
    #[serde(default)]
    pub text: String,
    /// Where it leads.
    #[serde(default)]
    pub links: Vec<Link>,
    /// Its JSON-LD, as parsed.
    #[serde(default)]
    pub json_ld: Value,
    /// Its OpenGraph properties.
    #[serde(default)]
    pub open_graph: Value,
    /// Where it sends its reader by itself.
    #[serde(default)]
    pub refresh: Option<Value>,
    /// What robots.txt says.
    #[serde(default)]
    pub robots: Robots,
}

/// One link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Absolute.
    pub url: String,
    /// Its words.
    #[serde(default)]
    pub text: String,
}

/// What robots.txt says about a page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Robots {
    /// Whether it may be read.
    #[serde(default)]
    pub allowed: bool,
}

impl Page {
    /// Whether there is something to read.
    pub fn is_readable(&self) -> bool {
        (200..300).contains(&self.status) && !self.text.trim().is_empty()
    }

    /// Its name in evidence.
    pub fn address(&self) -> &str {
        if self.final_url.is_empty() { &self.url } else { &self.final_url }
    }
}

/// The host of a URL, in small letters and without `www.`.
pub fn host(url: &str) -> Option<String> {
    let host = url::Url::parse(url).ok()?.host_str()?.to_lowercase();
    Some(host.strip_prefix("www.").map_or_else(|| host.clone(), str::to_owned))
}
