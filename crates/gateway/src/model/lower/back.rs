//! The way back: what was done to a schema, told for its values.

use std::{collections::BTreeMap, sync::Arc};

use kernel::values::{Map, Value};
use serde_json::Value as Json;

use super::shape::fits;

/// How a root that is no object is called inside the one that stands around it.
pub(super) const WHOLE: &str = "answer";
/// The two properties of a pair.
pub(super) const KEY: &str = "key";
pub(super) const VALUE: &str = "value";

/// How the values of one place are taken back.
#[derive(Clone, Debug, Default)]
pub(super) enum Back {
    /// They are written as they are.
    #[default]
    Same,
    /// As JSON in a text.
    Text,
    /// As one of these words.
    Words(Vec<(Arc<str>, Value)>),
    List(Box<Back>),
    /// Each place has its own, and those after the last have one.
    Tuple(Vec<Back>, Box<Back>),
    /// A map as a list of pairs.
    Pairs(Box<Back>),
    Object {
        fields: BTreeMap<Arc<str>, Field>,
        /// Where properties stand that the schema does not name, and theirs.
        further: Option<(Arc<str>, Box<Back>)>,
    },
    /// The first form that fits, with its schema as it was written.
    Either(Vec<(Json, Back)>),
    /// A definition, by its name.
    Definition(Arc<str>),
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub back: Back,
    /// Null says that it is left out.
    pub left_out: bool,
    /// Null may be meant, so it stays; what is left out is written as null all the same.
    pub stays_null: bool,
}

/// How whole answers are taken back.
#[derive(Clone, Debug, Default)]
pub(super) struct Lifting {
    /// The root stands inside an object.
    pub wrapped: bool,
    pub back: Back,
    pub definitions: BTreeMap<Arc<str>, Back>,
}

/// An answer that is nested deeper is none: values are at most 64 deep.
const MAX_DEPTH: usize = 256;

impl Lifting {
    pub(super) fn lift(&self, root: &Json, answer: Value) -> Result<Value, String> {
        let inner = match &answer {
            Value::Map(map) if self.wrapped && map.len() == 1 => map.get(WHOLE).cloned(),
            _ => None,
        };
        self.up(root, &self.back, inner.unwrap_or(answer), 0)
    }

    pub(super) fn write(&self, root: &Json, value: &Value) -> Value {
        let written = self.down(root, &self.back, value, 0);
        if self.wrapped { Value::map([(WHOLE, written)]) } else { written }
    }

    fn up(&self, root: &Json, back: &Back, value: Value, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH || value.is_null() {
            return Ok(value);
        }
        let up = |back: &Back, value: &Value| self.up(root, back, value.clone(), depth + 1);
        Ok(match (back, &value) {
            (Back::Definition(name), _) => match self.definitions.get(name) {
                Some(back) => return self.up(root, back, value, depth + 1),
                None => value,
            },
            (Back::Text, Value::Text(text)) => Value::from_json(text.as_bytes()).unwrap_or(value),
            (Back::Words(words), Value::Text(text)) => {
                words.iter().find(|(word, _)| word == text).map_or(value, |(_, meant)| meant.clone())
            }
            (Back::List(back), Value::List(items)) => {
                Value::list(items.iter().map(|item| up(back, item)).collect::<Result<Vec<_>, _>>()?)
            }
            (Back::Tuple(first, rest), Value::List(items)) => {
                let items = items.iter().enumerate().map(|(nth, item)| up(first.get(nth).unwrap_or(rest), item));
                Value::list(items.collect::<Result<Vec<_>, _>>()?)
            }
            (Back::Pairs(back), Value::List(items)) => {
                let Some(pairs) = pairs(items) else { return Ok(value) };
                let mut map = Map::new();
                for (key, value) in pairs {
                    if map.insert(key.clone(), up(back, value)?).is_some() {
                        return Err(twice(key));
                    }
                }
                Value::Map(map.into())
            }
            (Back::Object { fields, further }, Value::Map(map)) => {
                let mut out = Map::new();
                for (name, value) in map.iter() {
                    match fields.get(name) {
                        Some(field) if field.left_out && value.is_null() => {}
                        Some(field) => {
                            out.insert(name.clone(), up(&field.back, value)?);
                        }
                        None => {
                            out.insert(name.clone(), value.clone());
                        }
                    }
                }
                if let Some((name, back)) = further
                    && let Some(held) = map.get(name)
                {
                    let items = match held {
                        Value::Null => Some(Vec::new()),
                        Value::List(items) => pairs(items),
                        _ => None,
                    };
                    if let Some(items) = items {
                        out.remove(name);
                        for (key, value) in items {
                            if fields.contains_key(key) || out.insert(key.clone(), up(back, value)?).is_some() {
                                return Err(twice(key));
                            }
                        }
                    }
                }
                Value::Map(out.into())
            }
            (Back::Either(forms), _) => {
                let mut wrong = None;
                for (schema, back) in forms {
                    match up(back, &value) {
                        Ok(meant) if fits(root, schema, &meant) => return Ok(meant),
                        Ok(_) => {}
                        Err(why) => wrong = Some(why),
                    }
                }
                match wrong {
                    Some(why) => return Err(why),
                    // The one form that is of the value's kind: what is wrong inside is for the kernel to say.
                    None => nearest(forms, &value).map_or(Ok(value.clone()), |back| up(back, &value))?,
                }
            }
            _ => value,
        })
    }

    fn down(&self, root: &Json, back: &Back, value: &Value, depth: usize) -> Value {
        if depth > MAX_DEPTH {
            return value.clone();
        }
        let down = |back: &Back, value: &Value| self.down(root, back, value, depth + 1);
        let pair = |back: &Back, (key, value): (&Arc<str>, &Value)| {
            Value::map([(KEY, Value::Text(key.clone())), (VALUE, down(back, value))])
        };
        match (back, value) {
            (Back::Definition(name), _) => {
                self.definitions.get(name).map_or_else(|| value.clone(), |back| down(back, value))
            }
            (Back::Text, _) => Value::text(value.to_json()),
            (Back::Words(words), _) => {
                let word = words.iter().find(|(_, meant)| meant == value);
                word.map_or_else(|| value.clone(), |(word, _)| Value::Text(word.clone()))
            }
            (Back::List(back), Value::List(items)) => Value::list(items.iter().map(|item| down(back, item))),
            (Back::Tuple(first, rest), Value::List(items)) => {
                Value::list(items.iter().enumerate().map(|(nth, item)| down(first.get(nth).unwrap_or(rest), item)))
            }
            (Back::Pairs(back), Value::Map(map)) => Value::list(map.iter().map(|entry| pair(back, entry))),
            (Back::Object { fields, further }, Value::Map(map)) => {
                let (mut out, mut others) = (Map::new(), Vec::new());
                for (name, field) in fields {
                    match map.get(name) {
                        Some(value) => drop(out.insert(name.clone(), down(&field.back, value))),
                        None if field.left_out || field.stays_null => drop(out.insert(name.clone(), Value::Null)),
                        None => {}
                    }
                }
                for (name, value) in map.iter().filter(|(name, _)| !fields.contains_key(*name)) {
                    match further {
                        Some((_, back)) => others.push(pair(back, (name, value))),
                        None => drop(out.insert(name.clone(), value.clone())),
                    }
                }
                if let Some((name, _)) = further {
                    out.insert(name.clone(), Value::list(others));
                }
                Value::Map(out.into())
            }
            (Back::Either(forms), _) => {
                let form = forms.iter().find(|(schema, _)| fits(root, schema, value));
                form.map_or_else(|| value.clone(), |(_, back)| down(back, value))
            }
            _ => value.clone(),
        }
    }
}

/// The way back that can take a value of this kind, if there is just one that does anything with it.
fn nearest<'a>(forms: &'a [(Json, Back)], value: &Value) -> Option<&'a Back> {
    let takes = |back: &&Back| {
        matches!(
            (back, value),
            (Back::List(_) | Back::Tuple(..) | Back::Pairs(_), Value::List(_))
                | (Back::Object { .. }, Value::Map(_))
                | (Back::Text | Back::Words(_), Value::Text(_))
                | (Back::Definition(_), _)
        )
    };
    let mut takes = forms.iter().map(|(_, back)| back).filter(takes);
    takes.next().filter(|_| takes.next().is_none())
}

fn pairs(items: &[Value]) -> Option<Vec<(&Arc<str>, &Value)>> {
    items.iter().map(pair).collect()
}

fn pair(item: &Value) -> Option<(&Arc<str>, &Value)> {
    let Value::Map(map) = item else { return None };
    match (map.get(KEY), map.get(VALUE)) {
        (Some(Value::Text(key)), Some(value)) if map.len() == 2 => Some((key, value)),
        _ => None,
    }
}

fn twice(key: &str) -> String {
    format!("the key `{key}` stands twice")
}
