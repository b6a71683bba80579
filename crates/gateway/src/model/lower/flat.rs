//! One schema without `$ref` and `allOf`: what applies to the same value, written as one.

use serde_json::{Map as Object, Value as Json, json};

use super::shape::{required, resolve};

/// What applies to one value.
#[derive(Clone, Debug, Default)]
pub(super) struct Flat {
    /// All keywords but the ones below.
    pub keys: Object<String, Json>,
    pub properties: Vec<Property>,
    /// There were `properties`, perhaps none.
    pub described: bool,
    pub required: Vec<String>,
    /// Constraints that could not be made one with others: keyword and words.
    pub told: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub(super) struct Property {
    pub name: String,
    /// Where it stands in the schema as written.
    pub at: String,
    pub schema: Json,
}

/// Why a schema has no such form.
#[derive(Debug)]
pub(super) enum Odd {
    /// It contains itself once too often: its name.
    Recursive(String),
    /// These do not become one.
    NoForm(&'static str),
    /// No value fits.
    Impossible,
}

/// How often a schema that contains itself is written out within itself.
const UNROLLED: usize = 2;

/// Keywords that say nothing about which values fit.
pub(super) fn is_note(keyword: &str) -> bool {
    ["title", "description", "default", "examples"].contains(&keyword) || super::dialect::is_silent(keyword)
}

/// The pointer of a reference that can be sent, and the name of its definition.
pub(super) fn definition(target: &str) -> Option<&str> {
    match target {
        "#" => Some(""),
        _ => target.strip_prefix("#/$defs/").filter(|name| !name.contains(['/', '~'])),
    }
}

pub(super) struct Flatten<'a> {
    pub root: &'a Json,
    /// References that are being written out.
    pub open: &'a mut Vec<String>,
}

impl Flatten<'_> {
    /// With `keep`, a reference to a definition stays one, if nothing but notes stands beside it.
    pub(super) fn flat(&mut self, schema: &Json, at: &str, keep: bool) -> Result<Flat, Odd> {
        let keys = match schema {
            Json::Object(keys) => keys,
            Json::Bool(true) => return Ok(Flat::default()),
            _ => return Err(Odd::Impossible),
        };
        let mut flat = Flat::default();
        let target = keys.get("$ref").and_then(Json::as_str);
        let stays = keep
            && target.is_some_and(|target| definition(target).is_some())
            && keys.keys().all(|key| key == "$ref" || is_note(key));
        for (key, value) in keys {
            match key.as_str() {
                "$ref" if !stays => {}
                "allOf" => {}
                "properties" => {
                    flat.described = true;
                    for (name, schema) in value.as_object().into_iter().flatten() {
                        let at = format!("{at}/properties/{}", escape(name));
                        flat.properties.push(Property { name: name.clone(), at, schema: schema.clone() });
                    }
                }
                "required" => flat.required = required(keys).map(str::to_owned).collect(),
                _ => {
                    flat.keys.insert(key.clone(), value.clone());
                }
            }
        }
        if let Some(target) = target.filter(|_| !stays) {
            if self.open.iter().filter(|one| *one == target).count() > UNROLLED {
                return Err(Odd::Recursive(definition(target).unwrap_or(target).to_owned()));
            }
            let found = resolve(self.root, target).ok_or(Odd::NoForm("$ref"))?;
            self.open.push(target.to_owned());
            let inner = self.flat(found, target.strip_prefix('#').unwrap_or(target), false)?;
            flat.merge(inner)?;
        }
        for (nth, part) in keys.get("allOf").and_then(Json::as_array).into_iter().flatten().enumerate() {
            let inner = self.flat(part, &format!("{at}/allOf/{nth}"), false)?;
            flat.merge(inner)?;
        }
        Ok(flat)
    }
}

impl Flat {
    /// Both apply.
    pub(super) fn merge(&mut self, other: Flat) -> Result<(), Odd> {
        let closed = |flat: &Flat| flat.keys.get("additionalProperties") == Some(&Json::Bool(false));
        let lacks = |one: &Flat, two: &Flat| {
            two.properties.iter().any(|wanted| one.properties.iter().all(|has| has.name != wanted.name))
        };
        let free = ["additionalProperties", "patternProperties"];
        if (closed(self) && lacks(self, &other)) || (closed(&other) && lacks(&other, self)) {
            return Err(Odd::NoForm("additionalProperties"));
        }
        if free.iter().any(|key| self.keys.get(*key).is_some_and(Json::is_object) && !other.properties.is_empty())
            || free.iter().any(|key| other.keys.get(*key).is_some_and(Json::is_object) && !self.properties.is_empty())
        {
            // What one describes would have to fit the other's schema for all others as well.
            return Err(Odd::NoForm("additionalProperties"));
        }
        for (key, value) in other.keys {
            let Some(mine) = self.keys.get(&key).cloned() else {
                self.keys.insert(key, value);
                continue;
            };
            if mine == value || (is_note(&key) && key != "description") {
                continue;
            }
            let both = match key.as_str() {
                "description" => format!("{} {}", text(&mine), text(&value)).into(),
                "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" => {
                    if value.as_f64() > mine.as_f64() { value } else { mine }
                }
                "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" => {
                    if value.as_f64() < mine.as_f64() { value } else { mine }
                }
                "type" => common_types(&mine, &value).ok_or(Odd::Impossible)?,
                "enum" => {
                    let words = value.as_array().cloned().unwrap_or_default();
                    let mine = mine.as_array().cloned().unwrap_or_default();
                    let both: Vec<Json> = mine.into_iter().filter(|word| words.contains(word)).collect();
                    if both.is_empty() {
                        return Err(Odd::Impossible);
                    }
                    both.into()
                }
                "const" => return Err(Odd::Impossible),
                "items" => json!({ "allOf": [mine, value] }),
                "uniqueItems" => true.into(),
                "additionalProperties" if mine == false || value == false => false.into(),
                "additionalProperties" => json!({ "allOf": [mine, value] }),
                "prefixItems" | "patternProperties" | "$ref" => return Err(Odd::NoForm("allOf")),
                _ => {
                    self.told.push((key.clone(), says(&key, &value)));
                    mine
                }
            };
            self.keys.insert(key, both);
        }
        for property in other.properties {
            match self.properties.iter_mut().find(|mine| mine.name == property.name) {
                Some(mine) if mine.schema == property.schema => {}
                Some(mine) => mine.schema = json!({ "allOf": [mine.schema, property.schema] }),
                None => self.properties.push(property),
            }
        }
        self.described |= other.described;
        self.required.extend(other.required);
        let mut seen = Vec::new();
        self.required.retain(|name| {
            !seen.contains(name) && {
                seen.push(name.clone());
                true
            }
        });
        self.told.extend(other.told);
        Ok(())
    }
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

fn common_types(one: &Json, two: &Json) -> Option<Json> {
    fn list(json: &Json) -> Vec<&str> {
        match json {
            Json::String(one) => vec![one],
            Json::Array(several) => several.iter().filter_map(Json::as_str).collect(),
            _ => Vec::new(),
        }
    }
    let (one, two) = (list(one), list(two));
    let mut both: Vec<&str> = Vec::new();
    for a in &one {
        for b in &two {
            let common = match (*a, *b) {
                (a, b) if a == b => a,
                ("integer", "number") | ("number", "integer") => "integer",
                _ => continue,
            };
            if !both.contains(&common) {
                both.push(common);
            }
        }
    }
    match both[..] {
        [] => None,
        [one] => Some(one.into()),
        _ => Some(both.into()),
    }
}

/// A constraint in words: "minLength 3".
pub(super) fn says(keyword: &str, value: &Json) -> String {
    match value {
        Json::String(text) => format!("{keyword} {text}"),
        other => format!("{keyword} {other}"),
    }
}

/// A name within a JSON pointer.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
