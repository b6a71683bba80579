//! Types: what `check` can know about a value before any run.

use std::{cell::Cell, collections::BTreeMap, fmt, sync::Arc};

use crate::values::Value;

/// The properties of an object: their type, and whether they must be there.
pub type Properties = BTreeMap<Arc<str>, (Type, bool)>;

/// What is known about a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Type {
    /// Nothing is known; checked when it runs.
    #[default]
    Any,
    /// `none`.
    Null,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// A text; with `options`, one of these.
    Text {
        /// The only texts there are, if they are known.
        options: Option<Arc<[Arc<str>]>>,
    },
    /// A list of one type.
    List(Arc<Type>),
    /// A map with known properties.
    Object {
        /// What is known about its properties.
        fields: Arc<Properties>,
        /// Whether it may have others.
        open: bool,
    },
    /// The type, or none.
    Maybe(Arc<Type>),
    /// One of several.
    Union(Arc<[Type]>),
}

/// The deepest a schema is followed, so that one that contains itself has an end.
const MAX_DEPTH: usize = 12;
/// The most parts of a schema that are read.
const MAX_NODES: usize = 4000;
/// The most members of a union; beyond, it is [`Type::Any`].
const MAX_UNION: usize = 8;

impl Type {
    /// Any text.
    pub const TEXT: Type = Type::Text { options: None };

    /// A list of `item`.
    pub fn list(item: Type) -> Type {
        Type::List(Arc::new(item))
    }

    /// A closed object; every property is there.
    pub fn object<K: Into<Arc<str>>>(fields: impl IntoIterator<Item = (K, Type)>) -> Type {
        let fields = fields.into_iter().map(|(name, ty)| (name.into(), (ty, true))).collect();
        Type::Object { fields: Arc::new(fields), open: false }
    }

    /// An object of which nothing is known.
    pub fn any_object() -> Type {
        Type::Object { fields: Arc::default(), open: true }
    }

    /// `self`, or none.
    #[must_use]
    pub fn maybe(self) -> Type {
        match self {
            Type::Any | Type::Null | Type::Maybe(_) => self,
            Type::Union(members) if members.contains(&Type::Null) => Type::Union(members),
            other => Type::Maybe(Arc::new(other)),
        }
    }

    /// `self` without none: what is left after `ran(x)`.
    #[must_use]
    pub fn present(&self) -> Type {
        match self {
            Type::Maybe(inner) => (**inner).clone(),
            Type::Union(members) if members.iter().any(Type::may_be_null) => members
                .iter()
                .filter(|member| **member != Type::Null)
                .map(Type::present)
                .reduce(Type::join)
                .unwrap_or(Type::Any),
            other => other.clone(),
        }
    }

    /// Whether it is known that none is possible.
    pub fn may_be_null(&self) -> bool {
        match self {
            Type::Null | Type::Maybe(_) => true,
            Type::Union(members) => members.iter().any(Type::may_be_null),
            _ => false,
        }
    }

    /// The type of one value.
    pub fn of(value: &Value) -> Type {
        match value {
            Value::Null => Type::Null,
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::Float(_) => Type::Number,
            Value::Text(text) => Type::Text { options: Some(Arc::from([text.clone()])) },
            Value::List(items) => {
                Type::list(items.iter().map(|item| Type::of(item).widened()).reduce(Type::join).unwrap_or(Type::Any))
            }
            Value::Map(map) => Type::object(map.iter().map(|(name, value)| (name.clone(), Type::of(value)))),
        }
    }

    /// The same without a list of texts.
    fn widened(self) -> Type {
        match self {
            Type::Text { .. } => Type::TEXT,
            other => other,
        }
    }

    /// What covers both: the type of a value that is one or the other.
    #[must_use]
    pub fn join(self, other: Type) -> Type {
        if self == other {
            return self;
        }
        match (self, other) {
            (Type::Any, _) | (_, Type::Any) => Type::Any,
            (Type::Null, other) | (other, Type::Null) => other.maybe(),
            (Type::Maybe(a), Type::Maybe(b)) => a.present().join(b.present()).maybe(),
            (Type::Maybe(a), b) | (b, Type::Maybe(a)) => a.present().join(b).maybe(),
            (Type::Int, Type::Number) | (Type::Number, Type::Int) => Type::Number,
            (Type::Text { options: Some(a) }, Type::Text { options: Some(b) }) => {
                let mut both: Vec<_> = a.iter().chain(b.iter()).cloned().collect();
                both.sort();
                both.dedup();
                Type::Text { options: (both.len() <= 64).then(|| both.into()) }
            }
            (Type::Text { .. }, Type::Text { .. }) => Type::TEXT,
            (Type::List(a), Type::List(b)) => Type::list((*a).clone().join((*b).clone())),
            (Type::Object { fields: a, open: x }, Type::Object { fields: b, open: y }) => join_objects(&a, &b, x || y),
            (a, b) => union(a, b),
        }
    }

    /// Whether every `value` type is fine where `self` is wanted. What is not known is fine: it is checked when it runs.
    pub fn accepts(&self, value: &Type) -> bool {
        self.refusal(value).is_none()
    }

    /// Why a `value` cannot stand where `self` is wanted: "`/email`: a number where a text is wanted". `None` if it can.
    pub fn refusal(&self, value: &Type) -> Option<String> {
        let mut path = String::new();
        refuse(self, value, &mut path).map(|why| if path.is_empty() { why } else { format!("`{path}`: {why}") })
    }

    /// What `name` of this value has for a type.
    pub fn property(&self, name: &str) -> Property {
        match self {
            Type::Any => Property::Unknown,
            Type::Object { fields, open } => match fields.get(name) {
                Some((ty, required)) => Property::Found { ty: ty.clone(), required: *required },
                None if *open => Property::Unknown,
                None => Property::Missing(fields.keys().cloned().collect()),
            },
            Type::Maybe(_) | Type::Null => Property::MayBeNull,
            Type::Union(members) => {
                members.iter().map(|member| member.property(name)).reduce(either).unwrap_or(Property::Unknown)
            }
            Type::Bool | Type::Int | Type::Number | Type::Text { .. } | Type::List(_) => Property::NoObject,
        }
    }

    /// What an item of this value is: of a list its type, else [`Type::Any`].
    pub fn item(&self) -> Type {
        match self {
            Type::List(item) => (**item).clone(),
            _ => Type::Any,
        }
    }

    /// The type a JSON Schema describes. `root` is the schema that local `$ref`s point into.
    pub fn of_schema(schema: &serde_json::Value, root: &serde_json::Value) -> Type {
        Reader { root, left: Cell::new(MAX_NODES) }.read(schema, 0)
    }
}

/// What [`Type::property`] finds.
#[derive(Clone, Debug, PartialEq)]
pub enum Property {
    /// The property is known.
    Found {
        /// Its type.
        ty: Type,
        /// Whether it is always there.
        required: bool,
    },
    /// Nothing is known about it.
    Unknown,
    /// There is no such property; these there are.
    Missing(Vec<Arc<str>>),
    /// The value may be none.
    MayBeNull,
    /// The value is no object.
    NoObject,
}

fn either(a: Property, b: Property) -> Property {
    match (a, b) {
        (Property::Found { ty: a, required: x }, Property::Found { ty: b, required: y }) => {
            Property::Found { ty: a.join(b), required: x && y }
        }
        (Property::MayBeNull, _) | (_, Property::MayBeNull) => Property::MayBeNull,
        (Property::Missing(mut a), Property::Missing(b)) => {
            a.extend(b);
            a.sort();
            a.dedup();
            Property::Missing(a)
        }
        (Property::Found { ty, .. }, Property::Missing(_) | Property::NoObject)
        | (Property::Missing(_) | Property::NoObject, Property::Found { ty, .. }) => {
            Property::Found { ty, required: false }
        }
        (Property::NoObject, Property::NoObject) => Property::NoObject,
        _ => Property::Unknown,
    }
}

fn join_objects(a: &Properties, b: &Properties, open: bool) -> Type {
    let mut fields = Properties::new();
    for (name, (ty, required)) in a {
        let joined = match b.get(name) {
            Some((other, also)) => (ty.clone().join(other.clone()), *required && *also),
            None => (ty.clone(), false),
        };
        fields.insert(name.clone(), joined);
    }
    for (name, (ty, _)) in b {
        fields.entry(name.clone()).or_insert_with(|| (ty.clone(), false));
    }
    Type::Object { fields: Arc::new(fields), open }
}

fn union(a: Type, b: Type) -> Type {
    let mut members: Vec<Type> = Vec::new();
    for ty in [a, b] {
        let parts = match ty {
            Type::Union(parts) => parts.to_vec(),
            other => vec![other],
        };
        for part in parts {
            // Of each kind one member is enough: two texts become one.
            match members.iter().position(|member| same_kind(member, &part)) {
                Some(at) => {
                    let old = std::mem::take(&mut members[at]);
                    members[at] = old.join(part);
                }
                None => members.push(part),
            }
        }
    }
    match members.len() {
        1 => members.swap_remove(0),
        2..=MAX_UNION => Type::Union(members.into()),
        _ => Type::Any,
    }
}

fn same_kind(a: &Type, b: &Type) -> bool {
    matches!(
        (a, b),
        (Type::Int | Type::Number, Type::Int | Type::Number)
            | (Type::Text { .. }, Type::Text { .. })
            | (Type::List(_), Type::List(_))
            | (Type::Object { .. }, Type::Object { .. })
            | (Type::Bool, Type::Bool)
    )
}

fn refuse(wanted: &Type, given: &Type, path: &mut String) -> Option<String> {
    let plain = || Some(format!("{given} where {wanted} is wanted"));
    match (wanted, given) {
        (Type::Any, _) | (_, Type::Any) => None,
        (Type::Union(_), Type::Union(members)) => {
            members.iter().find(|member| refuse(wanted, member, &mut path.clone()).is_some()).and_then(|_| plain())
        }
        (Type::Union(members), _) => {
            (!members.iter().any(|member| refuse(member, given, &mut path.clone()).is_none())).then(plain).flatten()
        }
        (_, Type::Union(members)) => {
            members.iter().find(|member| refuse(wanted, member, &mut path.clone()).is_some()).and_then(|_| plain())
        }
        (Type::Maybe(_), Type::Null) => None,
        (Type::Maybe(wanted), given) => refuse(wanted, &given.present(), path),
        (Type::Null, Type::Null) | (Type::Bool, Type::Bool) | (Type::Int, Type::Int) => None,
        (_, Type::Maybe(_)) => Some(format!("{given}, and none cannot stand where {wanted} is wanted")),
        // A whole number may come out of any number; which one it is, is known when it runs.
        (Type::Number, Type::Int | Type::Number) => None,
        (Type::Text { options: Some(wanted) }, Type::Text { options: Some(given) }) => {
            let stray = given.iter().find(|text| !wanted.contains(text))?;
            Some(format!("\"{stray}\" is not one of {}", quoted(wanted)))
        }
        (Type::Text { options: None }, Type::Text { .. }) | (Type::Text { .. }, Type::Text { options: None }) => None,
        (Type::List(wanted), Type::List(given)) => descend(path, "-", |path| refuse(wanted, given, path)),
        (Type::Object { fields: wanted, open }, Type::Object { fields: given, open: more }) => {
            for (name, (ty, required)) in wanted.iter() {
                match given.get(name) {
                    Some((other, _)) => {
                        let why = descend(path, name, |path| refuse(ty, other, path));
                        if why.is_some() {
                            return why;
                        }
                    }
                    None if *required && !*more => return Some(format!("`{name}` is missing")),
                    None => {}
                }
            }
            if !open && let Some(stray) = given.keys().find(|name| !wanted.contains_key(*name)) {
                let hint = crate::complaint::nearest(stray, wanted.keys().map(|name| &**name));
                let hint = hint.map_or(String::new(), |name| format!(": did you mean `{name}`?"));
                return Some(format!("there is no `{stray}`{hint}"));
            }
            None
        }
        _ => plain(),
    }
}

fn descend<T>(path: &mut String, name: &str, inner: impl FnOnce(&mut String) -> Option<T>) -> Option<T> {
    let before = path.len();
    path.push('/');
    path.push_str(name);
    let found = inner(path);
    if found.is_none() {
        path.truncate(before);
    }
    found
}

fn quoted(options: &[Arc<str>]) -> String {
    let mut text = options.iter().take(6).map(|option| format!("\"{option}\"")).collect::<Vec<_>>().join(", ");
    if options.len() > 6 {
        text.push_str(", …");
    }
    text
}

/// Reads a schema, with a bound on how much of it: one that contains itself several times would grow without end.
struct Reader<'a> {
    root: &'a serde_json::Value,
    left: Cell<usize>,
}

impl Reader<'_> {
    fn read(&self, schema: &serde_json::Value, depth: usize) -> Type {
        let serde_json::Value::Object(keys) = schema else {
            return Type::Any;
        };
        self.left.set(self.left.get().saturating_sub(1));
        if depth > MAX_DEPTH || self.left.get() == 0 {
            return Type::Any;
        }
        if let Some(target) = keys.get("$ref").and_then(|target| target.as_str()) {
            let found = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return found.map_or(Type::Any, |found| self.read(found, depth + 1));
        }
        if let Some(value) = keys.get("const").and_then(|value| Value::try_from(value).ok()) {
            return Type::of(&value);
        }
        if let Some(options) = keys.get("enum").and_then(|options| options.as_array()) {
            let types = options.iter().filter_map(|option| Value::try_from(option).ok()).map(|value| Type::of(&value));
            return types.reduce(Type::join).unwrap_or(Type::Any);
        }
        for word in ["anyOf", "oneOf"] {
            if let Some(branches) = keys.get(word).and_then(|branches| branches.as_array()) {
                return branches
                    .iter()
                    .map(|branch| self.read(branch, depth + 1))
                    .reduce(Type::join)
                    .unwrap_or(Type::Any);
            }
        }
        match keys.get("type") {
            Some(serde_json::Value::String(word)) => self.read_word(word, keys, depth),
            Some(serde_json::Value::Array(words)) => words
                .iter()
                .filter_map(|word| word.as_str())
                .map(|word| self.read_word(word, keys, depth))
                .reduce(Type::join)
                .unwrap_or(Type::Any),
            _ if keys.contains_key("properties") => self.read_word("object", keys, depth),
            _ => match keys.get("allOf").and_then(|all| all.as_array()).map(Vec::as_slice) {
                Some([only]) => self.read(only, depth + 1),
                _ => Type::Any,
            },
        }
    }

    fn read_word(&self, word: &str, keys: &serde_json::Map<String, serde_json::Value>, depth: usize) -> Type {
        match word {
            "null" => Type::Null,
            "boolean" => Type::Bool,
            "integer" => Type::Int,
            "number" => Type::Number,
            "string" => Type::TEXT,
            "array" => Type::list(keys.get("items").map_or(Type::Any, |items| self.read(items, depth + 1))),
            "object" => {
                let required: Vec<&str> = keys
                    .get("required")
                    .and_then(|names| names.as_array())
                    .map(|names| names.iter().filter_map(|name| name.as_str()).collect())
                    .unwrap_or_default();
                let mut fields = Properties::new();
                if let Some(properties) = keys.get("properties").and_then(|properties| properties.as_object()) {
                    for (name, schema) in properties {
                        let ty = self.read(schema, depth + 1);
                        fields.insert(name.as_str().into(), (ty, required.contains(&name.as_str())));
                    }
                }
                // JSON Schema leaves every object open; one that lists properties and says nothing else means exactly these
                // to the person who wrote it, and a name outside of them is a slip.
                let others = keys.get("additionalProperties");
                let open = match others {
                    Some(serde_json::Value::Bool(open)) => *open,
                    Some(_) => true,
                    None => {
                        fields.is_empty()
                            || ["allOf", "patternProperties", "$dynamicRef", "if"]
                                .iter()
                                .any(|key| keys.contains_key(*key))
                    }
                };
                Type::Object { fields: Arc::new(fields), open }
            }
            _ => Type::Any,
        }
    }
}

impl fmt::Display for Type {
    /// As people say it, with the article: "a text", "a list of objects", "a number or none".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Any => f.write_str("anything"),
            Type::Null => f.write_str("none"),
            Type::Bool => f.write_str("true or false"),
            Type::Int => f.write_str("a whole number"),
            Type::Number => f.write_str("a number"),
            Type::Text { options: None } => f.write_str("a text"),
            Type::Text { options: Some(options) } if options.len() == 1 => write!(f, "the text {}", quoted(options)),
            Type::Text { options: Some(options) } => write!(f, "one of {}", quoted(options)),
            Type::List(item) => match &**item {
                Type::Any => f.write_str("a list"),
                item => write!(f, "a list of {}", plural(item)),
            },
            Type::Object { .. } => f.write_str("an object"),
            Type::Maybe(inner) => write!(f, "{inner} or none"),
            Type::Union(members) => {
                for (at, member) in members.iter().enumerate() {
                    if at > 0 {
                        f.write_str(" or ")?;
                    }
                    write!(f, "{member}")?;
                }
                Ok(())
            }
        }
    }
}

fn plural(ty: &Type) -> String {
    match ty {
        Type::Bool => "true or false".to_owned(),
        Type::Int => "whole numbers".to_owned(),
        Type::Number => "numbers".to_owned(),
        Type::Text { .. } => "texts".to_owned(),
        Type::Object { .. } => "objects".to_owned(),
        Type::List(_) => "lists".to_owned(),
        other => format!("({other})"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ty(schema: serde_json::Value) -> Type {
        Type::of_schema(&schema, &schema)
    }

    #[test]
    fn schemas_become_types_people_can_say() {
        for (schema, said) in [
            (json!({"type": "string"}), "a text"),
            (json!({"type": ["string", "null"]}), "a text or none"),
            (json!({"enum": ["a", "b"]}), "one of \"a\", \"b\""),
            (json!({"enum": ["a", null]}), "the text \"a\" or none"),
            (json!({"type": "array", "items": {"type": "object"}}), "a list of objects"),
            (json!({"type": "array"}), "a list"),
            (json!({"anyOf": [{"type": "integer"}, {"type": "string"}]}), "a whole number or a text"),
            (json!({"anyOf": [{"type": "integer"}, {"type": "number"}]}), "a number"),
            (json!({"properties": {"a": true}}), "an object"),
            (json!({"$ref": "#/$defs/x", "$defs": {"x": {"type": "boolean"}}}), "true or false"),
            (json!({"$ref": "#"}), "anything"),
            (json!(true), "anything"),
        ] {
            assert_eq!(ty(schema.clone()).to_string(), said, "{schema}");
        }
    }

    #[test]
    fn arguments_are_compared_with_what_a_tool_wants() {
        let wanted = ty(json!({
            "type": "object", "required": ["id", "cents"],
            "properties": {"id": {"type": "string"}, "cents": {"type": "integer"}, "kind": {"enum": ["full", "part"]}}
        }));
        let given = |pairs: &[(&str, Type)]| Type::object(pairs.iter().map(|(name, ty)| (*name, ty.clone())));
        for (pairs, why) in [
            (vec![("id", Type::TEXT), ("cents", Type::Int)], None),
            (vec![("id", Type::Any), ("cents", Type::Any), ("kind", Type::TEXT)], None),
            (vec![("id", Type::TEXT)], Some("`cents` is missing")),
            (vec![("id", Type::Int), ("cents", Type::Int)], Some("`/id`: a whole number where a text is wanted")),
            (
                vec![("id", Type::TEXT.maybe()), ("cents", Type::Int)],
                Some("`/id`: a text or none, and none cannot stand where a text is wanted"),
            ),
            (
                vec![("id", Type::TEXT), ("cents", Type::Int), ("knd", Type::TEXT)],
                Some("there is no `knd`: did you mean `kind`?"),
            ),
            (
                vec![("id", Type::TEXT), ("cents", Type::Int), ("kind", Type::of(&"half".into()))],
                Some("`/kind`: \"half\" is not one of \"full\", \"part\""),
            ),
        ] {
            assert_eq!(wanted.refusal(&given(&pairs)).as_deref(), why, "{pairs:?}");
        }
    }

    #[test]
    fn joins_keep_what_is_known() {
        let a = Type::object([("x", Type::Int), ("y", Type::TEXT)]);
        let b = Type::object([("x", Type::Number)]);
        let both = a.join(b);
        assert_eq!(both.property("x"), Property::Found { ty: Type::Number, required: true });
        assert_eq!(both.property("y"), Property::Found { ty: Type::TEXT, required: false });
        assert!(matches!(both.property("z"), Property::Missing(_)));
        assert_eq!(Type::TEXT.join(Type::Null).to_string(), "a text or none");
        assert_eq!(Type::TEXT.maybe().present(), Type::TEXT);
        assert_eq!(
            Type::Bool.join(Type::Int).join(Type::TEXT).join(Type::Null).present().to_string(),
            "true or false or a whole number or a text"
        );
    }

    #[test]
    fn a_schema_that_contains_itself_has_an_end() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}, "all": {"type": "array", "items": {"$ref": "#"}}}});
        let mut ty = ty(schema);
        for _ in 0..6 {
            let Property::Found { ty: next, .. } = ty.property("next") else { panic!("{ty}") };
            ty = next;
        }
    }
}
