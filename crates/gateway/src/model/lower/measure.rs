//! How large a lowered schema is, and what a dialect takes.

use serde_json::Value as Json;

use super::Unfit;

/// What a dialect takes at most.
#[derive(Debug)]
pub(super) struct Limits {
    pub depth: usize,
    pub properties: usize,
    /// Of enums, all together.
    pub words: usize,
    /// In names and words, all together.
    pub characters: usize,
    /// Properties that may be left out, in a whole request.
    pub optional: usize,
    /// Places with alternatives, in a whole request.
    pub unions: usize,
}

/// The size of a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub depth: usize,
    pub properties: usize,
    pub words: usize,
    pub characters: usize,
    pub optional: usize,
    pub unions: usize,
}

impl Limits {
    /// Whether a schema of this size may stand in a request of which so much is used.
    pub(super) fn check(&self, size: &Size, used: &Size) -> Result<(), Unfit> {
        let (optional, unions) = (size.optional + used.optional, size.unions + used.unions);
        if size.depth > self.depth {
            Err(Unfit::Depth { has: size.depth, most: self.depth })
        } else if size.properties > self.properties {
            Err(Unfit::Properties { has: size.properties, most: self.properties })
        } else if size.words > self.words {
            Err(Unfit::Words { has: size.words, most: self.words })
        } else if size.characters > self.characters {
            Err(Unfit::Characters { has: size.characters, most: self.characters })
        } else if optional > self.optional {
            Err(Unfit::Optional { has: optional, most: self.optional })
        } else if unions > self.unions {
            Err(Unfit::Unions { has: unions, most: self.unions })
        } else {
            Ok(())
        }
    }
}

impl Size {
    pub(super) fn of(schema: &Json) -> Size {
        let mut size = Size::default();
        size.measure(schema, 0);
        size
    }

    pub(super) fn add(&mut self, other: &Size) {
        self.optional += other.optional;
        self.unions += other.unions;
    }

    fn measure(&mut self, schema: &Json, depth: usize) {
        let Json::Object(keys) = schema else { return };
        self.depth = self.depth.max(depth);
        if keys.contains_key("anyOf") || keys.get("type").is_some_and(Json::is_array) {
            self.unions += 1;
        }
        for word in keys.get("enum").and_then(Json::as_array).into_iter().flatten() {
            self.words += 1;
            self.characters += word.as_str().map_or(0, |word| word.chars().count());
        }
        self.characters += keys.get("const").and_then(Json::as_str).map_or(0, |word| word.chars().count());
        let required = keys.get("required").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        for (name, property) in keys.get("properties").and_then(Json::as_object).into_iter().flatten() {
            self.properties += 1;
            self.characters += name.chars().count();
            self.optional += usize::from(!required.iter().any(|one| one == name));
            self.measure(property, depth + 1);
        }
        for (name, definition) in keys.get("$defs").and_then(Json::as_object).into_iter().flatten() {
            self.characters += name.chars().count();
            self.measure(definition, depth + 1);
        }
        if let Some(items) = keys.get("items") {
            self.measure(items, depth + 1);
        }
        for branch in keys.get("anyOf").and_then(Json::as_array).into_iter().flatten() {
            self.measure(branch, depth);
        }
    }
}
