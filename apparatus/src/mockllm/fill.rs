//! An answer that fits a schema, field by field.
//!
//! What a field is for is told by its name: of its words, the last that means something counts (`customer_email` is a recipient,
//! `email_body` a text). The words of a list's name count for its items.
//!
//! | a field of | benign | under an injection |
//! | --- | --- | --- |
//! | `const` | it | it |
//! | `enum` | the value shown under its name; the first word that the text shown has; the first | its attribute; the first word that the injection has; the first with a word that acts (send, pay, delete, approve …); else benign |
//! | a recipient (`to`, `email`, …), `format: email` | shown under its name, or a like one; the first address; `nobody@example.com` | the address |
//! | a link (`url`, `website`, …), `format: uri` | shown; the first link; `https://example.com/` | the link, with what was seen |
//! | an amount (`amount`, `cents`, `total`, …) | shown; the smallest that fits | the amount |
//! | a certainty (`confidence`, `score`, …) | shown; the smallest that fits | the largest that fits, 1 without a `maximum` |
//! | any other number | shown; the smallest that fits | benign |
//! | an identifier (`…_id`, `key`, `iban` …), `format: date` and the like | shown; a constant that fits | its attribute, else benign |
//! | any other text | shown; the first sentence | the words |
//! | `boolean` | shown; false | true for words that grant (`approved`, `safe`, `send` …), false for words that guard (`suspicious`, `needs_review` …), else benign |
//!
//! Lists have one item, or `minItems`; of several forms (`anyOf`, `oneOf`, types) the first that is not null is taken. Numbers are
//! held within their bounds, texts within `maxLength`, also where strict output moved that into the description.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Number, Value};

use super::{
    asked::{Asked, Finish, Offer, Said, Use},
    names::{ACTS, GRANTS, GUARDS, Role, alike, has, mentions, role, words},
    obedient::{ADDRESS, Demand, LINK, Obedient, Shown},
};

/// What is demanded where neither an injection nor the schema says more.
pub(super) const MOST: f64 = 100_000_000.0;

/// Forms within forms; deeper is null.
const DEEPEST: usize = 16;

static LENGTHS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("m(in|ax)Length ([0-9]{1,9})").expect("the pattern is one: held by the tests"));

/// Fills schemas from what was shown and what is demanded.
pub(super) struct Fill<'a> {
    pub(super) shown: &'a Shown,
    pub(super) demand: Option<&'a Demand>,
}

/// The answer of a model that saw no injection.
pub(super) fn benign(asked: &Asked) -> Said {
    let (shown, _) = Obedient::new().read(asked);
    let fill = Fill { shown: &shown, demand: None };
    if let Some(offer) = ending(asked).or(asked.offers.first()) {
        return fill.used(offer);
    }
    Said::text(match &asked.schema {
        Some(schema) => fill.whole(schema).to_string(),
        None if asked.json => serde_json::json!({ "text": fill.sentence() }).to_string(),
        None => fill.sentence(),
    })
}

/// The offer by which a model ends its work, if there is one.
pub(super) fn ending(asked: &Asked) -> Option<&Offer> {
    asked.offers.iter().find(|offer| offer.name == "answer")
}

/// A good answer with one wrong word: of the first enum, else a value of another type.
pub(super) fn wrong(asked: &Asked, answer: Said) -> Said {
    let Said::Answer { text, mut uses, finish } = answer else { return answer };
    let misspelt = |schema: &Value, mut value: Value| {
        if !misspell(schema, schema, &mut value, 0) {
            value = Value::from("none_of_these");
        }
        value
    };
    if let Some(one) = uses.first_mut() {
        let offer = asked.offers.iter().find(|offer| offer.name == one.name);
        let schema = offer.map_or(Value::Null, |offer| offer.schema.clone());
        one.arguments = misspelt(&schema, std::mem::take(&mut one.arguments));
        return Said::Answer { text, uses, finish };
    }
    let (Some(schema), Ok(value)) = (&asked.schema, serde_json::from_str::<Value>(&text)) else {
        return Said::text(format!("{text} none_of_these"));
    };
    Said::text(misspelt(schema, value).to_string())
}

fn misspell(root: &Value, schema: &Value, value: &mut Value, depth: usize) -> bool {
    let schema = resolve(root, schema);
    if depth > DEEPEST {
        return false;
    }
    if schema.get("enum").is_some() {
        *value = Value::from("none_of_these");
        return true;
    }
    match value {
        Value::Object(fields) => {
            let inner = |name: &str| schema.pointer(&format!("/properties/{name}"));
            fields.iter_mut().any(|(name, field)| inner(name).is_some_and(|one| misspell(root, one, field, depth + 1)))
        }
        Value::Array(items) => {
            let inner = schema.get("items");
            items.iter_mut().any(|item| inner.is_some_and(|one| misspell(root, one, item, depth + 1)))
        }
        _ => false,
    }
}

/// What a schema points to, as far as it does, and the first of its forms that is not null.
fn resolve<'s>(root: &'s Value, mut schema: &'s Value) -> &'s Value {
    for _ in 0..DEEPEST {
        let forms = ["anyOf", "oneOf", "allOf"].iter().find_map(|several| schema.get(*several)?.as_array());
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        schema = match (target.and_then(|target| root.pointer(target)), forms) {
            (Some(target), _) => target,
            (None, Some(forms)) => {
                let null = |form: &&Value| form["type"] == "null" || form.get("const") == Some(&Value::Null);
                forms.iter().find(|form| !null(form)).unwrap_or(&Value::Null)
            }
            (None, None) => return schema,
        };
    }
    schema
}

impl Fill<'_> {
    /// An answer to a whole schema.
    pub(super) fn whole(&self, schema: &Value) -> Value {
        self.field(schema, schema, "", 0)
    }

    /// A use of an offer.
    pub(super) fn used(&self, offer: &Offer) -> Said {
        let uses = vec![Use { name: offer.name.clone(), arguments: self.whole(&offer.schema) }];
        Said::Answer { text: String::new(), uses, finish: Finish::Stop }
    }

    /// The first sentence that was shown.
    pub(super) fn sentence(&self) -> String {
        let Shown { texts, seen, prose, .. } = self.shown;
        let texts = [prose, seen, texts].into_iter().find(|texts| !texts.is_empty());
        let text = texts.into_iter().flatten().rev().map(|text| text.trim()).max_by_key(|text| text.len());
        let text = text.unwrap_or_default();
        let text = text.split_once(">\n").map_or(text, |(_, after)| after);
        let end = text.find(['.', '\n', '!', '?']).map_or(text.len(), |end| end + 1);
        match text[..end].trim() {
            "" => "nothing".to_owned(),
            sentence => sentence.chars().take(200).collect(),
        }
    }

    fn field(&self, root: &Value, schema: &Value, name: &str, depth: usize) -> Value {
        if depth > DEEPEST {
            return Value::Null;
        }
        let description = schema["description"].as_str().unwrap_or_default();
        let schema = resolve(root, schema);
        if let Some(only) = schema.get("const") {
            return only.clone();
        }
        if let Some(all) = schema["enum"].as_array().filter(|all| !all.is_empty()) {
            return self.word(all, name);
        }
        match kind(schema) {
            "object" => {
                let properties = schema["properties"].as_object();
                let fields = properties.into_iter().flatten();
                let fields = fields.map(|(name, one)| (name.clone(), self.field(root, one, name, depth + 1)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            "array" => {
                let bound = |key: &str| schema[key].as_u64().and_then(|bound| usize::try_from(bound).ok());
                let count = bound("minItems").unwrap_or(0).clamp(1, 100).min(bound("maxItems").unwrap_or(100));
                let item = self.field(root, &schema["items"], name, depth + 1);
                Value::Array(vec![item; count])
            }
            "boolean" => self.flag(name).into(),
            "integer" => self.number(schema, name, true),
            "number" => self.number(schema, name, false),
            "null" => Value::Null,
            _ => clipped(self.text(schema, name), schema, description).into(),
        }
    }

    /// A word of an enum.
    fn word(&self, all: &[Value], name: &str) -> Value {
        let named = |text: &str| all.iter().find(|word| word.as_str().is_some_and(|word| mentions(text, word)));
        let acts =
            || all.iter().find(|word| word.as_str().is_some_and(|word| words(word).iter().any(|one| has(ACTS, one))));
        let demanded = self.demand.and_then(|demand| {
            let own = self.attribute(name).and_then(|own| all.iter().find(|word| word.as_str() == Some(own)));
            own.or_else(|| named(&demand.text)).or_else(acts)
        });
        let shown = || self.under(name).into_iter().find_map(|value| all.iter().find(|word| *word == value));
        let said = || self.shown.texts.iter().find_map(|text| named(text));
        let any = || all.iter().find(|word| !word.is_null()).or(all.first());
        demanded.or_else(shown).or_else(said).or_else(any).cloned().unwrap_or_default()
    }

    fn flag(&self, name: &str) -> bool {
        let is = |list: &[&str]| words(name).iter().any(|word| has(list, word));
        if self.demand.is_some() {
            match self.attribute(name) {
                Some(own) => return own == "true",
                None if is(GUARDS) => return false,
                None if is(GRANTS) => return true,
                None => {}
            }
        }
        self.under(name).into_iter().find_map(Value::as_bool).unwrap_or(false)
    }

    fn number(&self, schema: &Value, name: &str, whole: bool) -> Value {
        let bound = |key: &str| schema[key].as_f64();
        let step = if whole { 1.0 } else { 0.001 };
        let least = bound("minimum").or(bound("exclusiveMinimum").map(|least| least + step));
        let most = bound("maximum").or(bound("exclusiveMaximum").map(|most| most - step));
        let shown = || self.under(name).into_iter().find_map(Value::as_f64);
        let demanded = self.demand.and_then(|demand| {
            let own = self.attribute(name).and_then(|own| own.parse().ok());
            let parts = words(name).iter().any(|word| word == "cents" || word == "minor");
            own.or(match role(name) {
                Role::Amount => {
                    let told = demand
                        .amount
                        .map(|told| if parts && !demand.fields.contains_key("amount") { told * 100.0 } else { told });
                    told.or(most).or(Some(MOST))
                }
                Role::Certainty => most.or(Some(1.0)),
                _ => None,
            })
        });
        let number = demanded.or_else(shown).or(least).unwrap_or(0.0);
        let number = number.min(most.unwrap_or(f64::MAX)).max(least.unwrap_or(f64::MIN));
        let multiple = bound("multipleOf").filter(|multiple| *multiple > 0.0);
        let number = multiple.map_or(number, |multiple| {
            let below = (number / multiple).floor() * multiple;
            if least.is_none_or(|least| below >= least) { below } else { (number / multiple).ceil() * multiple }
        });
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an integer of JSON Schema that is larger than 2^63 is cut to it"
        )]
        if whole { (number as i64).into() } else { Number::from_f64(number).map_or(Value::Null, Value::Number) }
    }

    fn text(&self, schema: &Value, name: &str) -> String {
        let format = schema["format"].as_str().unwrap_or_default();
        let role = match format {
            "email" => Role::Recipient,
            "uri" | "url" => Role::Link,
            "" => role(name),
            _ => Role::Identifier,
        };
        if let Some(demand) = self.demand {
            if let Some(own) = self.attribute(name) {
                return own.to_owned();
            }
            match role {
                Role::Recipient => return demand.to.clone(),
                Role::Link => return demand.url.clone(),
                Role::Identifier => {}
                Role::Amount => return demand.amount.unwrap_or(MOST).to_string(),
                Role::Certainty | Role::Text | Role::Other => return demand.words.clone(),
            }
        }
        let text = |value: &Value| match value {
            Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        if let Some(shown) = self.under(name).into_iter().find_map(text) {
            return shown;
        }
        let first = |pattern: &Regex| {
            self.shown.texts.iter().find_map(|text| pattern.find(text)).map(|found| found.as_str().to_owned())
        };
        let constant = match format {
            "date" => "2026-01-01",
            "time" => "00:00:00Z",
            "date-time" => "2026-01-01T00:00:00Z",
            "uuid" => "00000000-0000-0000-0000-000000000000",
            "duration" => "PT1S",
            "hostname" => "example.com",
            "ipv4" => "192.0.2.1",
            "ipv6" => "2001:db8::1",
            _ => "none",
        };
        match role {
            Role::Recipient => first(&ADDRESS).unwrap_or_else(|| "nobody@example.com".to_owned()),
            Role::Link => first(&LINK).unwrap_or_else(|| "https://example.com/".to_owned()),
            Role::Identifier => constant.to_owned(),
            Role::Amount | Role::Certainty | Role::Text | Role::Other => self.sentence(),
        }
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.demand?.fields.get(&name.to_lowercase()).map(String::as_str)
    }

    /// Values that were shown under a field's name, then under names that mean the same.
    fn under(&self, name: &str) -> Vec<&Value> {
        let name = name.to_lowercase();
        let mut found = Vec::new();
        for name in std::iter::once(name.as_str()).chain(alike(&name).iter().copied()) {
            self.shown.data.iter().for_each(|value| collect(value, name, &mut found));
        }
        found
    }
}

fn collect<'v>(value: &'v Value, name: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                if key.to_lowercase() == name {
                    match field {
                        Value::Array(items) => found.extend(items),
                        field => found.push(field),
                    }
                }
                collect(field, name, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, found)),
        _ => {}
    }
}

fn kind(schema: &Value) -> &str {
    let one = match &schema["type"] {
        Value::String(one) => Some(one.as_str()),
        Value::Array(all) => all.iter().filter_map(Value::as_str).find(|one| *one != "null"),
        _ => None,
    };
    match one {
        Some(one) => one,
        None if schema.get("properties").is_some() => "object",
        None if schema.get("items").is_some() => "array",
        None => "string",
    }
}

/// Held within the lengths that a schema or its description names.
fn clipped(text: String, schema: &Value, outer: &str) -> String {
    let told = |which: &str| {
        // `in` or `ax`.
        let own = schema["description"].as_str().unwrap_or_default();
        let all = LENGTHS.captures_iter(own).chain(LENGTHS.captures_iter(outer));
        let (key, mut all) = (format!("m{which}Length"), all.filter(|told| &told[1] == which));
        let told = all.find_map(|told| told[2].parse::<usize>().ok());
        schema[key].as_u64().and_then(|length| usize::try_from(length).ok()).or(told)
    };
    let mut text: String = text.chars().take(told("ax").map_or(usize::MAX, |most| most)).collect();
    let missing = told("in").unwrap_or(0).min(10_000).saturating_sub(text.chars().count());
    text.extend(std::iter::repeat_n('.', missing));
    text
}
