//! The way down: a schema as it was written becomes one that a dialect takes.

use std::{collections::BTreeMap, sync::Arc};

use kernel::values::Value;
use serde_json::{Map as Object, Value as Json, json};

use super::{
    Lost, Unfit,
    back::{Back, Field, KEY, Lifting, VALUE, WHOLE},
    dialect::{Optional, Rules, is_silent},
    flat::{Flat, Flatten, Odd, definition, escape, is_note, says},
    measure::Size,
    shape::{admits_null, resolve, type_of},
};

/// Schemas that are written out at most, before limits are compared: references may double at each level.
const MAX_NODES: usize = 20_000;
/// Levels that are written out at most.
const MAX_DEPTH: usize = 60;
/// The longest schema that is shown in the description of a text.
const MAX_SHOWN: usize = 2000;

/// Keywords that say which form a value has; all others limit it.
const FORMS: [&str; 9] =
    ["type", "enum", "const", "anyOf", "oneOf", "items", "prefixItems", "additionalProperties", "patternProperties"];

pub(super) struct Walk<'a> {
    root: &'a Json,
    rules: &'static Rules,
    lost: Vec<Lost>,
    /// References that are being written out.
    open: Vec<String>,
    nodes: usize,
    /// How many properties may still stay optional.
    may_be_optional: usize,
    /// Definitions that are sent: their names by their references.
    named: BTreeMap<String, String>,
    wanted: Vec<String>,
}

/// A schema as it is sent, and the way back of its values.
struct Made {
    schema: Object<String, Json>,
    back: Back,
}

type Whole = (Json, Lifting, Vec<Lost>);

impl<'a> Walk<'a> {
    pub(super) fn new(root: &'a Json, rules: &'static Rules, used: &Size) -> Walk<'a> {
        Walk {
            root,
            rules,
            lost: Vec::new(),
            open: Vec::new(),
            nodes: 0,
            may_be_optional: rules.limits.optional.saturating_sub(used.optional),
            named: BTreeMap::new(),
            wanted: Vec::new(),
        }
    }

    pub(super) fn root(mut self) -> Result<Whole, Unfit> {
        let Made { mut schema, back } = self.schema(self.root, "", 0, false)?;
        let wrapped = schema.get("type").and_then(Json::as_str) != Some("object") || schema.contains_key("nullable");
        if wrapped {
            schema = self.closed([(WHOLE.to_owned(), schema.into())], vec![WHOLE.to_owned()]);
        }
        let (mut definitions, mut backs) = (Object::new(), BTreeMap::new());
        while let Some(target) = self.wanted.pop() {
            let name = self.named[&target].clone();
            let found = resolve(self.root, &target).ok_or(Unfit::Impossible { at: target.clone() })?;
            let made = self.schema(found, target.strip_prefix('#').unwrap_or_default(), 1, false)?;
            definitions.insert(name.clone(), made.schema.into());
            backs.insert(Arc::from(name), made.back);
        }
        if !definitions.is_empty() {
            // In the order of the file, whatever asked for them first.
            let order: Vec<&String> =
                self.root.get("$defs").and_then(Json::as_object).into_iter().flatten().map(|(name, _)| name).collect();
            let place = |name: &String| order.iter().position(|one| *one == name).unwrap_or(order.len());
            let mut definitions: Vec<(String, Json)> = definitions.into_iter().collect();
            definitions.sort_by_key(|(name, _)| place(name));
            schema.insert("$defs".to_owned(), definitions.into_iter().collect());
        }
        Ok((schema.into(), Lifting { wrapped, back, definitions: backs }, self.lost))
    }

    fn schema(&mut self, schema: &Json, at: &str, depth: usize, keep: bool) -> Result<Made, Unfit> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Unfit::Properties { has: self.nodes, most: self.rules.limits.properties });
        }
        if depth > MAX_DEPTH {
            return Err(Unfit::Depth { has: depth, most: self.rules.limits.depth });
        }
        let outside = self.open.len();
        let keep = keep && self.rules.references;
        let flat = Flatten { root: self.root, open: &mut self.open }.flat(schema, at, keep);
        let made = match flat {
            Ok(flat) => self.node(&flat, schema, at, depth),
            Err(Odd::Impossible) => Err(Unfit::Impossible { at: at.to_owned() }),
            Err(Odd::Recursive(name)) => {
                let form = if name.is_empty() { "the whole".to_owned() } else { format!("`{name}` above") };
                self.lose(at, "$ref", "the form of what contains itself again");
                Ok(in_text(&format!("JSON, written as a text, of the same form as {form}.")))
            }
            Err(Odd::NoForm(keyword)) => Ok(self.shown(schema, at, keyword)),
        };
        self.open.truncate(outside);
        made
    }

    /// What has no form in the dialect is JSON in a text that shows its schema.
    fn shown(&mut self, schema: &Json, at: &str, keyword: &str) -> Made {
        self.lose(at, keyword, &format!("{keyword}, and the form of the JSON in this text"));
        let schema = super::dialect::without_ours(schema).to_string();
        let shown = if schema.len() > MAX_SHOWN { "the schema of this place" } else { &schema };
        in_text(&format!("JSON, written as a text, that fits {shown}"))
    }

    fn lose(&mut self, at: &str, keyword: &str, says: &str) {
        self.lost.push(Lost { at: at.to_owned(), keyword: keyword.to_owned(), says: says.to_owned() });
    }

    fn node(&mut self, flat: &Flat, written: &Json, at: &str, depth: usize) -> Result<Made, Unfit> {
        let keys = &flat.keys;
        let mut told = flat.told.clone();
        let mut made = if let Some(target) = keys.get("$ref").and_then(Json::as_str) {
            self.reference(target)
        } else if let Some(words) = words(keys) {
            match self.words(&words, at)? {
                Some(made) => made,
                None => return Ok(self.shown(written, at, "enum")),
            }
        } else if ["anyOf", "oneOf"].iter().any(|key| keys.contains_key(*key)) && !has_form(flat) {
            match self.either(flat, written, at, depth, &mut told)? {
                Some(made) => made,
                None => return Ok(self.shown(written, at, "anyOf")),
            }
        } else {
            match types(flat)[..] {
                [] => {
                    let mut made = in_text("Any JSON value, written as JSON in a text.");
                    // A limit without a type holds for values of its type only.
                    self.limits(flat, at, &mut made.schema, told, false);
                    return Ok(made);
                }
                [one] => self.typed(flat, one, written, at, depth, &mut told)?,
                ref several => self.several(flat, several, written, at, depth, &mut told)?,
            }
        };
        let notes = made.schema.contains_key("$ref");
        self.limits(flat, at, &mut made.schema, told, !notes);
        if notes && made.schema.len() > 1 {
            // `$ref` stands alone.
            let target = made.schema.shift_remove("$ref").unwrap_or_default();
            made.schema.shift_insert(0, "anyOf".to_owned(), json!([{ "$ref": target }]));
        }
        if self.rules.openapi && made.schema.contains_key("anyOf") {
            spread(&mut made.schema);
        }
        Ok(made)
    }

    fn reference(&mut self, target: &str) -> Made {
        let name = match self.named.get(target) {
            Some(name) => name.clone(),
            None => {
                let mut name = definition(target).filter(|name| !name.is_empty()).unwrap_or("root").to_owned();
                let defined = self.root.get("$defs").and_then(Json::as_object);
                while target == "#" && defined.is_some_and(|all| all.contains_key(&name)) {
                    name.push('_');
                }
                self.named.insert(target.to_owned(), name.clone());
                self.wanted.push(target.to_owned());
                name
            }
        };
        let schema = object([("$ref", format!("#/$defs/{name}").into())]);
        Made { schema, back: Back::Definition(name.into()) }
    }

    /// One of these words; `None` if there is no form for them.
    fn words(&mut self, words: &[Json], at: &str) -> Result<Option<Made>, Unfit> {
        let Some(first) = words.first() else { return Err(Unfit::Impossible { at: at.to_owned() }) };
        let null = words.contains(&Json::Null) && (words.len() > 1 || !self.rules.openapi);
        let plain = |word: &Json| word.is_string() || (!self.rules.openapi && !word.is_array() && !word.is_object());
        let (mut schema, mut back) = (Object::new(), Back::Same);
        if words.iter().all(|word| plain(word) || (null && word.is_null())) {
            let sent: Vec<Json> =
                words.iter().filter(|word| !self.rules.openapi || word.is_string()).cloned().collect();
            let mut types: Vec<&str> = sent.iter().map(type_of).collect();
            types.sort_unstable();
            types.dedup();
            schema.insert("type".to_owned(), if let [one] = types[..] { one.into() } else { types.into() });
            match words {
                [_] if !self.rules.openapi => schema.insert("const".to_owned(), first.clone()),
                _ => schema.insert("enum".to_owned(), sent.into()),
            };
        } else {
            // As texts: as they are where that cannot be mistaken, else all of them as JSON.
            let mut names: Vec<String> =
                words.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
            let twice = names.iter().enumerate().any(|(nth, name)| names[..nth].contains(name));
            if twice {
                names = words.iter().map(Json::to_string).collect();
            }
            let meant = words.iter().map(Value::try_from).collect::<Result<Vec<_>, _>>();
            let Ok(meant) = meant else { return Ok(None) };
            schema.insert("type".to_owned(), "string".into());
            let sent = names.iter().zip(words).filter(|(_, word)| !(null && word.is_null()));
            schema.insert("enum".to_owned(), sent.map(|(name, _)| name.as_str()).collect());
            let table = names.into_iter().map(Arc::from).zip(meant);
            back = Back::Words(table.filter(|(_, meant)| !(null && meant.is_null())).collect());
            if null && !self.rules.openapi {
                self.nullable(&mut schema);
            }
        }
        if null && self.rules.openapi {
            schema.insert("nullable".to_owned(), true.into());
        }
        Ok(Some(Made { schema, back }))
    }

    /// One of several forms; `None` if they could not be told apart on the way back.
    fn either(
        &mut self,
        flat: &Flat,
        written: &Json,
        at: &str,
        depth: usize,
        told: &mut Vec<(String, String)>,
    ) -> Result<Option<Made>, Unfit> {
        let keyword = if flat.keys.contains_key("anyOf") { "anyOf" } else { "oneOf" };
        if keyword == "oneOf" {
            told.push(("oneOf".to_owned(), "exactly one of the forms".to_owned()));
        } else if let Some(also) = flat.keys.get("oneOf") {
            told.push(("oneOf".to_owned(), says("oneOf", also)));
        }
        let (mut forms, mut null) = (Vec::new(), false);
        let branches = flat.keys.get(keyword).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        // Where the forms stand, as far as the schema as written says so itself.
        let place = if written.get(keyword).is_some() { format!("{at}/{keyword}") } else { at.to_owned() };
        for (nth, branch) in branches.iter().enumerate() {
            if is_null(branch) {
                null = true;
                continue;
            }
            if branch == &Json::Bool(false) {
                continue;
            }
            let branch = match flat.keys.get("type") {
                Some(types) if branch.get("type").is_none() => json!({ "allOf": [{ "type": types }, branch] }),
                _ => branch.clone(),
            };
            let made = self.schema(&branch, &format!("{place}/{nth}"), depth + 1, true)?;
            forms.push((branch, made));
        }
        let lists = |back: &Back| matches!(back, Back::List(_) | Back::Tuple(..));
        let pairs = forms.iter().filter(|(_, made)| matches!(made.back, Back::Pairs(_))).count();
        let texts = forms.iter().filter(|(_, made)| matches!(made.back, Back::Text | Back::Words(_))).count();
        let strings =
            forms.iter().filter(|(_, made)| made.schema.get("type").is_some_and(|one| one == "string")).count();
        if pairs > 1
            || (pairs == 1 && forms.iter().any(|(_, made)| lists(&made.back)))
            || texts > 1
            || (texts == 1 && strings > 1)
        {
            return Ok(None);
        }
        let mut made = match forms.len() {
            0 if null => Made { schema: object([("type", "null".into())]), back: Back::Same },
            0 => return Err(Unfit::Impossible { at: at.to_owned() }),
            1 => forms.remove(0).1,
            _ => {
                let (mut sent, mut backs) = (Vec::new(), Vec::new());
                for (branch, made) in forms {
                    // Forms that differ only in what is not enforced are one form.
                    let schema = Json::Object(made.schema);
                    if !sent.contains(&schema) {
                        sent.push(schema);
                    }
                    backs.push((branch, made.back));
                }
                let same = backs.iter().all(|(_, back)| matches!(back, Back::Same));
                let back = if same { Back::Same } else { Back::Either(backs) };
                Made { schema: object([("anyOf", sent.into())]), back }
            }
        };
        if null && made.schema.get("type").is_none_or(|one| one != "null") {
            self.nullable(&mut made.schema);
        }
        Ok(Some(made))
    }

    fn several(
        &mut self,
        flat: &Flat,
        types: &[&str],
        written: &Json,
        at: &str,
        depth: usize,
        told: &mut Vec<(String, String)>,
    ) -> Result<Made, Unfit> {
        let scalar = |one: &&&str| !["object", "array"].contains(*one);
        let others: Vec<&str> = types.iter().filter(|one| **one != "null").copied().collect();
        if let [one] = others[..] {
            let mut made = self.typed(flat, one, written, at, depth, told)?;
            self.nullable(&mut made.schema);
            return Ok(made);
        }
        if !self.rules.openapi && others.iter().filter(scalar).count() == others.len() {
            return Ok(Made { schema: object([("type", types.into())]), back: Back::Same });
        }
        let (mut sent, mut backs) = (Vec::new(), Vec::new());
        for one in &others {
            let made = self.typed(flat, one, written, at, depth, told)?;
            sent.push(made.schema.into());
            backs.push((json!({ "type": one }), made.back));
        }
        let mut made = Made { schema: object([("anyOf", Json::Array(sent))]), back: Back::Either(backs) };
        if others.len() < types.len() {
            self.nullable(&mut made.schema);
        }
        Ok(made)
    }

    fn typed(
        &mut self,
        flat: &Flat,
        one: &str,
        written: &Json,
        at: &str,
        depth: usize,
        told: &mut Vec<(String, String)>,
    ) -> Result<Made, Unfit> {
        for forms in ["anyOf", "oneOf"] {
            if let Some(value) = flat.keys.get(forms)
                && !told.iter().any(|(keyword, _)| keyword == forms)
            {
                told.push((forms.to_owned(), says(forms, value)));
            }
        }
        match one {
            "object" => self.object(flat, written, at, depth, told),
            "array" => self.array(flat, at, depth),
            _ => Ok(Made { schema: object([("type", one.into())]), back: Back::Same }),
        }
    }

    fn array(&mut self, flat: &Flat, at: &str, depth: usize) -> Result<Made, Unfit> {
        let anything = Json::Bool(true);
        let first = flat.keys.get("prefixItems").and_then(Json::as_array);
        let items = flat.keys.get("items");
        let Some(first) = first else {
            let made = self.schema(items.unwrap_or(&anything), &format!("{at}/items"), depth + 1, true)?;
            let schema = object([("type", "array".into()), ("items", made.schema.into())]);
            let back = if matches!(made.back, Back::Same) { Back::Same } else { Back::List(made.back.into()) };
            return Ok(Made { schema, back });
        };
        let (mut sent, mut backs): (Vec<Json>, Vec<Back>) = (Vec::new(), Vec::new());
        let most = flat.keys.get("maxItems").and_then(Json::as_u64);
        let ends = items == Some(&Json::Bool(false)) || most.is_some_and(|most| most <= first.len() as u64);
        let rest = (!ends).then(|| (format!("{at}/items"), items.unwrap_or(&anything)));
        let first = first.iter().enumerate().map(|(nth, one)| (format!("{at}/prefixItems/{nth}"), one));
        for (at, one) in first.chain(rest) {
            let made = self.schema(one, &at, depth + 1, true)?;
            let schema = Json::Object(made.schema);
            if !sent.contains(&schema) {
                sent.push(schema);
            }
            backs.push(made.back);
        }
        self.lose(at, "prefixItems", "which item stands where");
        let rest = if ends { Back::Same } else { backs.pop().unwrap_or_default() };
        let items = if sent.len() == 1 { sent.remove(0) } else { json!({ "anyOf": sent }) };
        let schema = object([("type", "array".into()), ("items", items)]);
        Ok(Made { schema, back: Back::Tuple(backs, rest.into()) })
    }

    fn object(
        &mut self,
        flat: &Flat,
        written: &Json,
        at: &str,
        depth: usize,
        told: &mut Vec<(String, String)>,
    ) -> Result<Made, Unfit> {
        let free = free(flat, at, told);
        let mut required = flat.required.clone();
        if let (Some((free, at)), true) = (&free, flat.properties.is_empty()) {
            let made = self.schema(free, at, depth + 2, true)?;
            if !required.is_empty() {
                told.push(("required".to_owned(), format!("the keys {}", required.join(", "))));
            }
            return Ok(self.pairs(made));
        }
        let mut properties = flat.properties.clone();
        for name in &required {
            if properties.iter().all(|one| one.name != *name) {
                let at = format!("{at}/required");
                properties.push(super::flat::Property { name: name.clone(), at, schema: true.into() });
            }
        }
        properties.retain(|one| one.schema != Json::Bool(false) || required.contains(&one.name));
        if properties.is_empty() && self.rules.openapi && depth > 0 {
            return Ok(self.shown(written, at, "properties"));
        }
        let (mut sent, mut fields) = (Vec::new(), BTreeMap::new());
        for property in &properties {
            let mut made = self.schema(&property.schema, &property.at, depth + 1, true)?;
            let (mut left_out, mut stays_null) = (false, false);
            if !required.contains(&property.name) {
                match self.rules.optional {
                    Optional::Kept => {}
                    Optional::Few if self.may_be_optional > 0 => self.may_be_optional -= 1,
                    Optional::Few | Optional::Nullable => {
                        let refers = made.schema.contains_key("$ref") || made.schema.contains_key("anyOf");
                        stays_null =
                            takes_null(&made.schema) || (refers && admits_null(self.root, &property.schema, 0));
                        if !stays_null {
                            self.nullable(&mut made.schema);
                            left_out = true;
                        }
                        required.push(property.name.clone());
                    }
                }
            }
            fields.insert(Arc::from(property.name.as_str()), Field { back: made.back, left_out, stays_null });
            sent.push((property.name.clone(), Json::Object(made.schema)));
        }
        let mut further = None;
        if let Some((free, at)) = free {
            let mut name = "further".to_owned();
            while properties.iter().any(|one| one.name == name) {
                name.push('_');
            }
            let made = self.schema(&free, &at, depth + 3, true)?;
            let Back::Pairs(back) = self.pairs(Made { schema: made.schema.clone(), back: made.back }).back else {
                unreachable!("pairs are made as pairs")
            };
            let mut pairs = self.pairs(Made { schema: made.schema, back: Back::Same }).schema;
            describe(&mut pairs, "Further properties, each once: `key` is its name.");
            required.push(name.clone());
            sent.push((name.clone(), pairs.into()));
            further = Some((name.into(), back));
        }
        if self.rules.openapi {
            // Gemini writes in the order of `required`: evidence before what follows from it, as the file has it.
            let order = |name: &String| sent.iter().position(|(one, _)| one == name);
            required.sort_by_key(order);
        }
        let same = further.is_none()
            && fields.values().all(|one| !one.left_out && !one.stays_null && matches!(one.back, Back::Same));
        let back = if same { Back::Same } else { Back::Object { fields, further } };
        Ok(Made { schema: self.closed(sent, required), back })
    }

    /// A map as a list of pairs.
    fn pairs(&self, made: Made) -> Made {
        let key = (KEY.to_owned(), json!({ "type": "string" }));
        let pair = self.closed([key, (VALUE.to_owned(), made.schema.into())], vec![KEY.to_owned(), VALUE.to_owned()]);
        let mut schema = object([("type", "array".into()), ("items", pair.into())]);
        describe(&mut schema, "A map, as a list: each key once.");
        Made { schema, back: Back::Pairs(made.back.into()) }
    }

    /// An object with these properties and no others.
    fn closed(
        &self,
        properties: impl IntoIterator<Item = (String, Json)>,
        required: Vec<String>,
    ) -> Object<String, Json> {
        let properties: Object<String, Json> = properties.into_iter().collect();
        let order: Vec<&str> = properties.keys().map(String::as_str).collect();
        let last = match self.rules.openapi {
            true => ("propertyOrdering", Json::from(order)),
            false => ("additionalProperties", false.into()),
        };
        object([("type", "object".into()), ("required", required.into()), ("properties", properties.into()), last])
    }

    /// The same, or null.
    fn nullable(&self, schema: &mut Object<String, Json>) {
        if self.rules.openapi {
            schema.insert("nullable".to_owned(), true.into());
            return;
        }
        if takes_null(schema) {
            return;
        }
        let plain = !schema.contains_key("enum") && !schema.contains_key("const");
        match schema.get("type").cloned() {
            Some(Json::String(one)) if plain => drop(schema.insert("type".to_owned(), json!([one, "null"]))),
            Some(Json::Array(mut several)) if plain => {
                several.push("null".into());
                schema.insert("type".to_owned(), several.into());
            }
            _ => match schema.get_mut("anyOf").and_then(Json::as_array_mut) {
                Some(branches) => branches.push(json!({ "type": "null" })),
                None => {
                    let whole = std::mem::take(schema);
                    schema.insert("anyOf".to_owned(), json!([whole, { "type": "null" }]));
                }
            },
        }
    }

    /// All keywords that limit values: sent, or told in the description and listed.
    fn limits(
        &mut self,
        flat: &Flat,
        at: &str,
        out: &mut Object<String, Json>,
        mut told: Vec<(String, String)>,
        titled: bool,
    ) {
        let mut notes = Vec::new();
        // What the whole says stands where the alternatives stand, not in one of them.
        let open = !out.contains_key("anyOf") && !out.contains_key("enum");
        for (key, value) in &flat.keys {
            match key.as_str() {
                "$ref" | "description" => {}
                form if FORMS.contains(&form) => {}
                "minItems" if value.as_u64().is_some_and(|least| least > self.rules.min_items) => {
                    told.push((key.clone(), says(key, value)));
                }
                "title" if titled && self.rules.kept.contains(&"title") => drop(out.insert(key.clone(), value.clone())),
                "title" => {}
                "format" if open && value.as_str().is_some_and(|word| self.rules.formats.contains(&word)) => {
                    out.insert(key.clone(), value.clone());
                }
                kept if open && titled && self.rules.kept.contains(&kept) && !is_map(flat, out) => {
                    out.insert(key.clone(), value.clone());
                }
                "default" | "examples" => notes.push(says(key, value)),
                silent if is_silent(silent) => {}
                _ => told.push((key.clone(), says(key, value))),
            }
        }
        for (keyword, says) in &told {
            self.lose(at, keyword, says);
        }
        let must: Vec<&str> = told.iter().map(|(_, says)| says.as_str()).collect();
        describe(out, flat.keys.get("description").and_then(Json::as_str).unwrap_or_default());
        if !must.is_empty() {
            describe(out, &format!("Must also hold: {}.", must.join("; ")));
        }
        if !notes.is_empty() {
            describe(out, &format!("Note: {}.", notes.join("; ")));
        }
    }
}

/// A map that became a list: limits of lists are none of its own.
fn is_map(flat: &Flat, out: &Object<String, Json>) -> bool {
    out.get("type").is_some_and(|one| one == "array") && types(flat).contains(&"object")
}

fn object<const N: usize>(pairs: [(&str, Json); N]) -> Object<String, Json> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn in_text(description: &str) -> Made {
    Made { schema: object([("type", "string".into()), ("description", description.into())]), back: Back::Text }
}

/// Adds a sentence.
fn describe(schema: &mut Object<String, Json>, sentence: &str) {
    let said = schema.get("description").and_then(Json::as_str).unwrap_or_default();
    let both = format!("{said} {sentence}");
    if !both.trim().is_empty() {
        schema.insert("description".to_owned(), both.trim().into());
    }
}

/// OpenAPI: nothing may stand beside `anyOf`, so it stands in each form.
fn spread(schema: &mut Object<String, Json>) {
    let branches = schema.shift_remove("anyOf").unwrap_or_default();
    let beside = std::mem::take(schema);
    let said = beside.get("description").and_then(Json::as_str).unwrap_or_default();
    let branches = branches.as_array().cloned().unwrap_or_default().into_iter().map(|mut branch| {
        if let Json::Object(branch) = &mut branch {
            describe(branch, said);
            if beside.contains_key("nullable") {
                branch.insert("nullable".to_owned(), true.into());
            }
        }
        branch
    });
    schema.insert("anyOf".to_owned(), branches.collect());
}

/// The only values there are, if they are known.
fn words(keys: &Object<String, Json>) -> Option<Vec<Json>> {
    let words = match (keys.get("const"), keys.get("enum").and_then(Json::as_array)) {
        (Some(one), Some(words)) => words.iter().filter(|word| *word == one).cloned().collect(),
        (Some(one), None) => vec![one.clone()],
        (None, Some(words)) => words.clone(),
        (None, None) => return None,
    };
    let types = super::shape::types(keys);
    let of_type = |word: &Json| {
        let own = type_of(word);
        types.is_empty() || types.contains(&own) || (own == "integer" && types.contains(&"number"))
    };
    Some(words.into_iter().filter(of_type).collect())
}

/// Whether more than a type says which form a value has.
fn has_form(flat: &Flat) -> bool {
    flat.described
        || ["items", "prefixItems", "additionalProperties", "patternProperties"]
            .iter()
            .any(|key| flat.keys.contains_key(*key))
}

/// The types a value may have: the ones written, or the one that other keywords leave.
fn types(flat: &Flat) -> Vec<&str> {
    let written = super::shape::types(&flat.keys);
    match () {
        () if !written.is_empty() => written,
        () if flat.described => vec!["object"],
        () if ["items", "prefixItems"].iter().any(|key| flat.keys.contains_key(*key)) => vec!["array"],
        () if !flat.required.is_empty() || flat.keys.contains_key("additionalProperties") => vec!["object"],
        () => Vec::new(),
    }
}

/// What properties must fit that the schema does not name, and where that stands; `None` if there may be none.
fn free(flat: &Flat, at: &str, told: &mut Vec<(String, String)>) -> Option<(Json, String)> {
    let mut forms: Vec<(Json, String)> = Vec::new();
    if let Some(patterns) = flat.keys.get("patternProperties").and_then(Json::as_object) {
        let names: Vec<String> = patterns.keys().map(|pattern| format!("`{pattern}`")).collect();
        told.push((
            "patternProperties".to_owned(),
            format!("keys match {}, each with its own form", names.join(" or ")),
        ));
        let named =
            |(pattern, one): (&String, &Json)| (one.clone(), format!("{at}/patternProperties/{}", escape(pattern)));
        forms.extend(patterns.iter().map(named));
    }
    let additional = format!("{at}/additionalProperties");
    match flat.keys.get("additionalProperties") {
        Some(Json::Bool(false)) => {}
        Some(schema) => forms.push((schema.clone(), additional)),
        None if !flat.described && forms.is_empty() => forms.push((true.into(), additional)),
        None => {}
    }
    match forms.len() {
        0 => None,
        1 => Some(forms.remove(0)),
        _ => Some((json!({ "anyOf": forms.into_iter().map(|(one, _)| one).collect::<Vec<_>>() }), at.to_owned())),
    }
}

fn is_null(schema: &Json) -> bool {
    let Json::Object(keys) = schema else { return false };
    let null = keys.get("type").is_some_and(|one| one == "null") || keys.get("const") == Some(&Json::Null);
    null && keys.keys().all(|key| ["type", "const"].contains(&key.as_str()) || is_note(key))
}

fn takes_null(schema: &Object<String, Json>) -> bool {
    let null = |one: &Json| one == "null";
    schema.contains_key("nullable")
        || schema
            .get("type")
            .is_some_and(|types| null(types) || types.as_array().is_some_and(|all| all.iter().any(null)))
        || schema
            .get("anyOf")
            .and_then(Json::as_array)
            .is_some_and(|branches| branches.iter().filter_map(Json::as_object).any(takes_null))
}
