//! Schemas as sources: what `x-labels` says about each place, and which places have a closed type.
//!
//! Several schemas may apply to one place (`$ref`, `allOf`): their words count together. Where one of several applies (`anyOf`,
//! `oneOf`, `if`), all are counted, and only what stands beside them takes a label away.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value as Json;

use super::{Origin, Words, tree::Tree};

/// The deepest a schema is followed; what is below carries all that is declared there.
const MAX_DEPTH: usize = 12;
/// The most places of one schema that are followed.
const MAX_PLACES: usize = 400;

/// What a value of this schema carries that comes in at `source` with `base`.
pub(super) fn tree(schema: &Json, base: &Origin, source: &str) -> Tree {
    let mut reader = Reader { root: schema, above: Vec::new(), left: MAX_PLACES };
    reader.place(&[schema], base, source)
}

type Keys = serde_json::Map<String, Json>;

fn words(keys: &Keys) -> Words {
    let listed = keys.get("x-labels").map(|words| words.as_array().map_or(std::slice::from_ref(words), Vec::as_slice));
    let words = listed.unwrap_or_default().iter().filter_map(Json::as_str).map(Arc::from).collect();
    Words { words, inherit: false }
}

/// All that applies where these apply, and of what else only one does.
struct Applies<'s> {
    all: Vec<&'s Keys>,
    one_of: Vec<&'s Json>,
}

fn applies<'s>(root: &'s Json, schemas: &[&'s Json]) -> Applies<'s> {
    let (mut all, mut one_of): (Vec<&Keys>, Vec<&Json>) = (Vec::new(), Vec::new());
    let mut left: Vec<&Json> = schemas.to_vec();
    while let Some(schema) = left.pop() {
        let Json::Object(keys) = schema else { continue };
        if all.len() > MAX_PLACES || all.iter().any(|seen| std::ptr::eq(*seen, keys)) {
            continue;
        }
        all.push(keys);
        left.extend(target(root, keys));
        left.extend(keys.get("allOf").and_then(Json::as_array).into_iter().flatten());
        for word in ["anyOf", "oneOf"] {
            one_of.extend(keys.get(word).and_then(Json::as_array).into_iter().flatten());
        }
        one_of.extend(["if", "then", "else"].iter().filter_map(|word| keys.get(*word)));
        one_of.extend(keys.get("dependentSchemas").and_then(Json::as_object).into_iter().flat_map(Keys::values));
    }
    Applies { all, one_of }
}

fn target<'s>(root: &'s Json, keys: &Keys) -> Option<&'s Json> {
    let target = keys.get("$ref").and_then(Json::as_str)?;
    root.pointer(target.strip_prefix('#')?)
}

struct Reader<'s> {
    root: &'s Json,
    /// The schemas of the places above, so that one that contains itself has an end.
    above: Vec<Vec<&'s Keys>>,
    left: usize,
}

impl<'s> Reader<'s> {
    fn place(&mut self, schemas: &[&'s Json], base: &Origin, source: &str) -> Tree {
        self.left = self.left.saturating_sub(1);
        let applies = applies(self.root, schemas);
        let again = applies.all.iter().any(|keys| self.above.iter().flatten().any(|above| std::ptr::eq(*above, *keys)));
        if again || self.above.len() > MAX_DEPTH || self.left == 0 {
            return Tree::flat(self.anywhere(schemas, base, source));
        }
        let declared = applies.all.iter().fold(Words::default(), |mut sum, keys| {
            sum.words.extend(words(keys).words);
            sum
        });
        let own = declared.applied(base, source);
        self.above.push(applies.all.clone());
        let mut tree = self.below(&applies.all, own, source);
        for other in applies.one_of {
            let other = self.place(&[other], &Origin::default(), source);
            tree.add(&other);
        }
        self.above.pop();
        tree
    }

    /// All labels that are declared in these schemas and what they refer to. What takes away is not believed: it is not known
    /// which place it is about.
    fn anywhere(&self, schemas: &[&'s Json], base: &Origin, source: &str) -> Origin {
        let mut own = base.clone();
        let mut seen: Vec<&Keys> = Vec::new();
        let mut left: Vec<&Json> = schemas.to_vec();
        while let Some(json) = left.pop() {
            match json {
                Json::Object(keys) if !seen.iter().any(|one| std::ptr::eq(*one, keys)) => {
                    seen.push(keys);
                    let declared = words(keys);
                    let (labels, _) = super::words::effect(declared.words.iter().map(|word| &**word));
                    labels.iter().for_each(|label| own.join(&Origin::of(label, source)));
                    left.extend(target(self.root, keys));
                    left.extend(keys.values());
                }
                Json::Array(items) => left.extend(items),
                _ => {}
            }
        }
        own
    }

    fn below(&mut self, all: &[&'s Keys], own: Origin, source: &str) -> Tree {
        let mut fields: BTreeMap<&str, Vec<&'s Json>> = BTreeMap::new();
        let (mut items, mut others): (Vec<&Json>, Vec<&Json>) = (Vec::new(), Vec::new());
        let mut closed = false;
        for keys in all {
            for (name, schema) in keys.get("properties").and_then(Json::as_object).into_iter().flatten() {
                fields.entry(name).or_default().push(schema);
            }
            items.extend(keys.get("items"));
            others.extend(keys.get("prefixItems").and_then(Json::as_array).into_iter().flatten());
            others.extend(keys.get("patternProperties").and_then(Json::as_object).into_iter().flat_map(Keys::values));
            others.extend(["additionalProperties", "contains"].iter().filter_map(|word| keys.get(*word)));
            closed |= keys.get("additionalProperties") == Some(&Json::Bool(false));
        }
        let patterns: Vec<&Json> = all
            .iter()
            .filter_map(|keys| keys.get("patternProperties").and_then(Json::as_object))
            .flat_map(Keys::values)
            .collect();
        let is = |word: &str| all.iter().any(|keys| keys.get("type").and_then(Json::as_str) == Some(word));
        let hollow = is("array") && !items.is_empty() || is("object") && closed && !fields.is_empty();
        let mut tree = Tree { own: own.clone(), hollow, ..Tree::default() };
        for (name, schemas) in fields {
            let path = format!("{source}.{name}");
            let mut field = self.place(&schemas, &own, &path);
            // A pattern may mean this name too.
            for pattern in &patterns {
                field.add(&self.place(&[pattern], &Origin::default(), &path));
            }
            tree.fields.insert(name.into(), field);
        }
        if !items.is_empty() {
            tree.rest = Some(Box::new(self.place(&items, &own, source)));
        }
        for other in others.into_iter().filter(|other| other.is_object()) {
            let place = self.place(&[other], &Origin::default(), source);
            let rest = tree.rest.get_or_insert_with(|| Box::new(Tree::flat(own.clone())));
            rest.add(&place);
        }
        tree
    }
}

/// Whether a field exists in a schema, and whether only so many values fit it that none can carry a text: an enum, a constant, true
/// and false, a whole number between two bounds. `None`: there is no such field.
pub(super) fn closed(schema: &Json, path: &[Arc<str>]) -> Option<bool> {
    let mut here = vec![schema];
    for name in path {
        let all = applies(schema, &here).all;
        here = all.iter().filter_map(|keys| keys.get("properties")?.get(&**name)).collect();
        if here.is_empty() {
            return None;
        }
    }
    Some(few(schema, &here, 0))
}

fn few(root: &Json, schemas: &[&Json], depth: usize) -> bool {
    if depth > MAX_DEPTH {
        return false;
    }
    applies(root, schemas).all.iter().any(|keys| {
        let branches = |word: &str| {
            let branches = keys.get(word).and_then(Json::as_array);
            branches
                .is_some_and(|branches| !branches.is_empty() && branches.iter().all(|one| few(root, &[one], depth + 1)))
        };
        let bounded = keys.contains_key("minimum") && keys.contains_key("maximum");
        let plain = |word: &Json| match word.as_str() {
            Some("boolean" | "null") => true,
            Some("integer") => bounded,
            _ => false,
        };
        let types = match keys.get("type") {
            Some(Json::Array(types)) => !types.is_empty() && types.iter().all(plain),
            Some(one) => plain(one),
            None => false,
        };
        keys.contains_key("const") || keys.contains_key("enum") || types || branches("anyOf") || branches("oneOf")
    })
}
