//! What each dialect takes: one table, as servers document it in 2026-11.

use serde_json::{Map as Object, Value as Json};

use super::measure::Limits;

/// A part of JSON Schema that servers of one kind enforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Strict structured output of OpenAI, and of servers that follow it: every property is required and no other allowed.
    OpenAi,
    /// Structured output of Anthropic: no recursion, no limits of numbers and lengths, few optional properties.
    Anthropic,
    /// `responseSchema` and `parameters` of Gemini: a part of OpenAPI 3.0.
    Gemini,
    /// The schema as it was written: for servers that make a grammar of it, and for schemas told in the text.
    Plain,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Dialect; 4] = [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini, Dialect::Plain];

    /// How people call the servers.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::OpenAi => "OpenAI's strict output",
            Dialect::Anthropic => "Anthropic's structured output",
            Dialect::Gemini => "Gemini's response schema",
            Dialect::Plain => "JSON Schema",
        }
    }

    pub(super) fn rules(self) -> Option<&'static Rules> {
        match self {
            Dialect::OpenAi => Some(&OPENAI),
            Dialect::Anthropic => Some(&ANTHROPIC),
            Dialect::Gemini => Some(&GEMINI),
            Dialect::Plain => None,
        }
    }
}

/// What may be done with a property that may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Optional {
    /// It is required, and may be null.
    Nullable,
    /// It stays optional while the request has few of them; the others are required and may be null.
    Few,
    /// It stays optional.
    Kept,
}

#[derive(Debug)]
pub(super) struct Rules {
    /// Keywords that are sent as they are.
    pub kept: &'static [&'static str],
    /// Formats that are sent.
    pub formats: &'static [&'static str],
    /// The largest `minItems` that is sent.
    pub min_items: u64,
    pub optional: Optional,
    /// References to `$defs` are sent, also recursive ones.
    pub references: bool,
    /// OpenAPI 3.0: `nullable`, one type, enums of texts, no `const`, no object without properties, `propertyOrdering`.
    pub openapi: bool,
    pub limits: Limits,
}

static OPENAI: Rules = Rules {
    kept: &[
        "title",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "pattern",
        "minItems",
        "maxItems",
    ],
    formats: &["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"],
    min_items: u64::MAX,
    optional: Optional::Nullable,
    references: true,
    openapi: false,
    limits: Limits {
        depth: 10,
        properties: 5000,
        words: 1000,
        characters: 120_000,
        optional: usize::MAX,
        unions: usize::MAX,
    },
};

static ANTHROPIC: Rules = Rules {
    kept: &["title", "minItems"],
    formats: &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"],
    min_items: 1,
    optional: Optional::Few,
    references: false,
    openapi: false,
    // Both of the last hold for a whole request. The others are ours: a larger grammar is refused for its size.
    limits: Limits { depth: 24, properties: 5000, words: 1000, characters: 120_000, optional: 24, unions: 16 },
};

static GEMINI: Rules = Rules {
    kept: &["title", "minimum", "maximum", "pattern", "minLength", "maxLength", "minItems", "maxItems"],
    formats: &["date-time"],
    min_items: u64::MAX,
    optional: Optional::Kept,
    references: false,
    openapi: true,
    // Gemini documents none: a larger schema is answered as if the server were exhausted.
    limits: Limits {
        depth: 24,
        properties: 5000,
        words: 1000,
        characters: 120_000,
        optional: usize::MAX,
        unions: usize::MAX,
    },
};

/// Keywords that say nothing about a value.
pub(super) fn is_silent(keyword: &str) -> bool {
    const SILENT: [&str; 10] = [
        "$schema",
        "$id",
        "$comment",
        "$anchor",
        "$defs",
        "deprecated",
        "readOnly",
        "writeOnly",
        "contentEncoding",
        "contentMediaType",
    ];
    SILENT.contains(&keyword) || keyword.starts_with("x-")
}

/// The schema without keywords that only we read.
pub(super) fn without_ours(schema: &Json) -> Json {
    /// Keywords whose value maps names to schemas: a property may be called `x-exact`.
    const NAMED: [&str; 4] = ["properties", "patternProperties", "$defs", "dependentSchemas"];
    /// Keywords whose value is data.
    const DATA: [&str; 4] = ["const", "enum", "default", "examples"];
    match schema {
        Json::Object(keys) => {
            let kept = keys.iter().filter(|(key, _)| !key.starts_with("x-")).map(|(key, value)| {
                let value = match value {
                    _ if DATA.contains(&key.as_str()) => value.clone(),
                    Json::Object(named) if NAMED.contains(&key.as_str()) => {
                        Json::Object(named.iter().map(|(name, one)| (name.clone(), without_ours(one))).collect())
                    }
                    other => without_ours(other),
                };
                (key.clone(), value)
            });
            Json::Object(kept.collect::<Object<_, _>>())
        }
        Json::Array(several) => several.iter().map(without_ours).collect(),
        other => other.clone(),
    }
}
