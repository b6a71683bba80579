//! Pins: what a server says of its tools, as a person accepted it, named by its hash.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{governance::Effect, ids::Digest, jcs};

/// Version of the file of pins; a reader refuses another.
pub const FORMAT: u32 = 1;

/// The longest description, in characters.
const LONGEST_DESCRIPTION: usize = 8192;
/// The longest definition, in bytes of canonical JSON.
const LONGEST: usize = 64 * 1024;
/// The longest name, in characters.
const LONGEST_NAME: usize = 128;

/// The file that holds the pins of a tool.
pub fn file(tool: &str) -> String {
    format!("pins/{tool}.json")
}

/// Who a server says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Its name.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
}

/// One tool of a server, as the server said it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The server.
    pub server: Identity,
    /// Its name there.
    pub name: Arc<str>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it says to models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it takes.
    pub input_schema: Json,
    /// What it gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Json>,
    /// Its hints: `readOnlyHint` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Json>,
}

/// Words with which a description tells a model what to do.
const ORDERS: [&str; 16] = [
    "ignore previous",
    "ignore all",
    "ignore the",
    "you must",
    "you should always",
    "always call",
    "always use",
    "never use",
    "before using",
    "before calling",
    "do not tell",
    "don't tell",
    "do not mention",
    "don't mention",
    "system prompt",
    "<important>",
];

impl Definition {
    /// SHA-256 over its canonical JSON.
    ///
    /// # Errors
    /// Something in it is no canonical JSON, such as a number that JSON cannot carry exactly.
    pub fn digest(&self) -> Result<Digest, String> {
        jcs::to_vec(self).map(|bytes| Digest::of(&[&bytes])).map_err(|error| error.to_string())
    }

    /// Whether it takes an argument of this name.
    pub fn takes(&self, name: &str) -> bool {
        self.input_schema.get("properties").and_then(|all| all.get(name)).is_some()
    }

    /// Why it can be accepted by nobody: what people and models would read is not what it is.
    ///
    /// # Errors
    /// The reason, as the rest of a sentence.
    pub fn acceptable(&self) -> Result<(), String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        if self.name.is_empty() || self.name.chars().count() > LONGEST_NAME || !self.name.chars().all(fits) {
            return Err("has a name that is not of letters, digits, `_`, `-`, `.` and `/`, at most 128".to_owned());
        }
        let bytes = jcs::to_vec(self).map_err(|error| format!("is {error}"))?;
        if bytes.len() > LONGEST {
            return Err(format!("is described in {} bytes, and {LONGEST} are the most", bytes.len()));
        }
        let described = self.description.as_deref().map_or(0, |text| text.chars().count());
        if described > LONGEST_DESCRIPTION {
            return Err(format!("has a description of {described} characters, and {LONGEST_DESCRIPTION} are the most"));
        }
        if !self.input_schema.is_object() {
            return Err("has an input schema that is no object".to_owned());
        }
        let texts =
            [self.title.as_deref(), self.description.as_deref(), Some(&*self.server.name), Some(&*self.server.version)];
        let schemas = [Some(&self.input_schema), self.output_schema.as_ref(), self.annotations.as_ref()];
        let hidden = texts.into_iter().flatten().find_map(hidden);
        match hidden.or_else(|| schemas.into_iter().flatten().find_map(hidden_in)) {
            Some(c) => {
                Err(format!("holds the character U+{:04X}, which people do not see and models read", u32::from(c)))
            }
            None => Ok(()),
        }
    }

    /// The hint of the server's that speaks against a class.
    pub fn contradicts(&self, effect: Effect) -> Option<&'static str> {
        let hint = |name: &str| self.annotations.as_ref()?.get(name)?.as_bool();
        match effect {
            Effect::Read if hint("readOnlyHint") == Some(false) => Some("readOnlyHint: false"),
            Effect::Read if hint("destructiveHint") == Some(true) && hint("readOnlyHint") != Some(true) => {
                Some("destructiveHint: true")
            }
            Effect::Idempotent | Effect::Probed | Effect::AtMostOnce if hint("readOnlyHint") == Some(true) => {
                Some("readOnlyHint: true")
            }
            _ => None,
        }
    }

    /// What of its words would work on a model rather than describe: it names another tool, or gives orders.
    pub fn steers<'a>(&self, others: impl Iterator<Item = &'a str>) -> Option<String> {
        let description = self.description.as_deref()?;
        if let Some(other) = others.filter(|other| telling(other)).find(|other| names(description, other)) {
            return Some(format!("names another tool, `{other}`"));
        }
        let lower = description.to_lowercase();
        let order = ORDERS.into_iter().find(|order| lower.contains(order))?;
        Some(format!("tells a model what to do: \"{order}\""))
    }
}

/// A name that is no word of plain English alone.
fn telling(name: &str) -> bool {
    name.contains(['_', '-', '.', '/']) || name.chars().any(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
}

/// Whether a text has a name as a whole word.
fn names(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        !before.chars().next_back().is_some_and(part) && !after.chars().next().is_some_and(part)
    })
}

/// The first character that shows nothing, or turns what stands around it: control, direction, tag and other such characters.
fn hidden(text: &str) -> Option<char> {
    text.chars().find(|c| match c {
        '\n' | '\t' | '\r' => false,
        c if c.is_control() => true,
        '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' => true,
        '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}' => true,
        _ => false,
    })
}

fn hidden_in(json: &Json) -> Option<char> {
    match json {
        Json::String(text) => hidden(text),
        Json::Array(items) => items.iter().find_map(hidden_in),
        Json::Object(map) => map.iter().find_map(|(key, value)| hidden(key).or_else(|| hidden_in(value))),
        Json::Null | Json::Bool(_) | Json::Number(_) => None,
    }
}

/// One accepted definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    digest: Digest,
    definition: Definition,
}

/// The pins of one tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    format: u32,
    tool: Arc<str>,
    /// Who accepted them last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<Arc<str>>,
    pins: BTreeMap<Arc<str>, Pin>,
}

impl Pins {
    /// The pins of `tool` that hold these definitions.
    ///
    /// # Errors
    /// One has no canonical JSON.
    pub fn of(
        tool: &str,
        by: Option<Arc<str>>,
        definitions: impl IntoIterator<Item = Definition>,
    ) -> Result<Pins, String> {
        let pin = |definition: Definition| {
            let digest = definition.digest().map_err(|why| format!("`{}` is {why}", definition.name))?;
            Ok((definition.name.clone(), Pin { digest, definition }))
        };
        let pins = definitions.into_iter().map(pin).collect::<Result<_, String>>()?;
        Ok(Pins { format: FORMAT, tool: tool.into(), accepted_by: by, pins })
    }

    /// Reads the file of `tool`.
    ///
    /// # Errors
    /// Why it is not what [`Pins::to_text`] wrote for that tool.
    pub fn read(tool: &str, text: &str) -> Result<Pins, String> {
        let pins: Pins = serde_json::from_str(text).map_err(|error| format!("these pins cannot be read: {error}"))?;
        if pins.format != FORMAT {
            return Err(format!("these pins have format {}, and this version reads {FORMAT}", pins.format));
        }
        if *pins.tool != *tool {
            return Err(format!("these are pins of `{}`, not of `{tool}`", pins.tool));
        }
        for (name, pin) in &pins.pins {
            let wrong = pin.definition.name != *name || pin.definition.digest().ok() != Some(pin.digest);
            if wrong {
                return Err(format!("the pin of `{name}` does not hold: its digest is of another definition"));
            }
        }
        Ok(pins)
    }

    /// As it is written to its file.
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("texts, digests and JSON are JSON: held by Pins");
        text + "\n"
    }

    /// The accepted definition of a server's tool.
    pub fn get(&self, name: &str) -> Option<&Definition> {
        self.pins.get(name).map(|pin| &pin.definition)
    }

    /// Its digest.
    pub fn digest(&self, name: &str) -> Option<Digest> {
        self.pins.get(name).map(|pin| pin.digest)
    }

    /// The names of all pinned tools of the server, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.pins.keys().map(|name| &**name)
    }

    /// What is pinned and should not be, with the reason.
    pub(super) fn refused(&self) -> impl Iterator<Item = (&str, String)> {
        self.pins.iter().filter_map(|(name, pin)| Some((&**name, pin.definition.acceptable().err()?)))
    }
}

/// How a tool of a server stands: what was accepted beside what the server says today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The server says what was accepted.
    Same,
    /// Nobody has accepted it.
    New,
    /// The server says something else.
    Changed,
    /// It was accepted, and the server has it no more.
    Gone,
    /// An operation names it, nobody has accepted it, and the server does not have it.
    Missing,
    /// It was accepted, and no operation names it any more.
    Unused,
}

impl Standing {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Same => "same",
            Standing::New => "new",
            Standing::Changed => "changed",
            Standing::Gone => "gone",
            Standing::Missing => "missing",
            Standing::Unused => "unused",
        }
    }
}

/// How each tool stands that an operation names (`named`) or a pin holds, in order of their names.
pub fn standing(
    named: &BTreeSet<Arc<str>>,
    pins: Option<&Pins>,
    today: &BTreeMap<Arc<str>, Definition>,
) -> BTreeMap<Arc<str>, Standing> {
    let accepted = |name: &str| pins.and_then(|pins| pins.get(name));
    let pinned = pins.into_iter().flat_map(|pins| pins.pins.keys());
    let all: BTreeSet<&Arc<str>> = named.iter().chain(pinned).collect();
    let one = |name: &Arc<str>| match (named.contains(name), accepted(name), today.get(name)) {
        (false, ..) => Standing::Unused,
        (true, Some(accepted), Some(today)) if accepted == today => Standing::Same,
        (true, Some(_), Some(_)) => Standing::Changed,
        (true, Some(_), None) => Standing::Gone,
        (true, None, Some(_)) => Standing::New,
        (true, None, None) => Standing::Missing,
    };
    all.into_iter().map(|name| (name.clone(), one(name))).collect()
}

/// What changed between two definitions, line by line: `-` as accepted, `+` as the server says it now.
pub fn difference(accepted: Option<&Definition>, today: Option<&Definition>) -> Vec<String> {
    let (before, after) = (accepted.map(lines).unwrap_or_default(), today.map(lines).unwrap_or_default());
    let parts: BTreeSet<&str> = before.keys().chain(after.keys()).map(|part| &**part).collect();
    let mut all = Vec::new();
    for part in parts {
        let (old, new) = (before.get(part), after.get(part));
        if old != new {
            all.extend(old.into_iter().map(|text| format!("- {part}: {text}")));
            all.extend(new.into_iter().map(|text| format!("+ {part}: {text}")));
        }
    }
    all
}

/// The leaves of a definition, each with its place.
fn lines(definition: &Definition) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let json = serde_json::to_value(definition).expect("texts and JSON are JSON: held by Definition");
    leaves(&json, String::new(), &mut all);
    all
}

fn leaves(json: &Json, at: String, all: &mut BTreeMap<String, String>) {
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    match json {
        Json::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                leaves(value, below(key), all);
            }
        }
        // What nobody sees is shown by its number.
        other => {
            let shown: String = other
                .to_string()
                .chars()
                .map(|c| {
                    if hidden(c.encode_utf8(&mut [0; 4])).is_some() {
                        format!("\\u{{{:x}}}", u32::from(c))
                    } else {
                        c.to_string()
                    }
                })
                .collect();
            all.insert(at, shown);
        }
    }
}
