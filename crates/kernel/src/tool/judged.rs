//! By what policies judge an operation: its business object, its groups, its counters.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    complaint::Complaint,
    expr::Template,
    types::Type,
    values::{Span, Value},
    workflow::reading::Reading,
    yaml::{Fields, Key, Node},
};

/// Groups that mean the same in every project; others are free.
///
/// `Outward`: something is told to somebody outside. `Money`: money moves, or is promised. `Irreversible`: nothing takes it back.
pub const GROUPS: [&str; 3] = ["Irreversible", "Money", "Outward"];

/// Types of entities that the generated schema has of its own, and words that its language keeps.
const TAKEN: [&str; 14] = [
    "Step",
    "Workflow",
    "Tenant",
    "Person",
    "Tool",
    "Action",
    "Long",
    "String",
    "Bool",
    "Boolean",
    "Set",
    "Record",
    "Entity",
    "Extension",
];

/// `resource: { type, id }`: the business object that an operation acts on.
#[derive(Debug)]
pub struct Resource {
    /// Its type, such as `Payment`.
    pub kind: Arc<str>,
    /// Which one: a text or a whole number, computed from `with`.
    pub id: Template,
}

/// One entry of `counts`: how often, or how much in sum, within a window that ends now.
#[derive(Debug)]
pub struct Counter {
    /// What is counted apart: a text or a whole number, computed from `with`.
    pub by: Template,
    /// The whole number that is added up; `None`: actions are counted.
    pub sum: Option<Template>,
    /// How far back.
    pub window: Span,
}

impl Resource {
    /// Which object the arguments `with` are about.
    ///
    /// # Errors
    /// A sentence that says what could not be computed, or gave neither a text nor a whole number.
    pub fn id_of(&self, with: &Value) -> Result<Arc<str>, String> {
        name_of(&self.id, with)
    }
}

impl Counter {
    /// Under which name the arguments `with` are counted.
    ///
    /// # Errors
    /// As [`Resource::id_of`].
    pub fn key_of(&self, with: &Value) -> Result<Arc<str>, String> {
        name_of(&self.by, with)
    }

    /// What the arguments `with` add: the whole number of `sum`, or 1.
    ///
    /// # Errors
    /// A sentence that says what could not be computed, or is no whole number.
    pub fn amount_of(&self, with: &Value) -> Result<i64, String> {
        let Some(sum) = &self.sum else { return Ok(1) };
        match eval(sum, with)? {
            Value::Int(amount) => Ok(amount),
            other => Err(format!("{} where a whole number is counted", other.kind())),
        }
    }
}

/// A value over `with`, the one name that these templates know.
fn eval(template: &Template, with: &Value) -> Result<Value, String> {
    let values: Vec<Value> = template.roots().iter().map(|_| with.clone()).collect();
    template.eval(&values)
}

fn name_of(template: &Template, with: &Value) -> Result<Arc<str>, String> {
    match eval(template, with)? {
        Value::Text(text) => Ok(text),
        Value::Int(number) => Ok(number.to_string().into()),
        other => Err(format!("{} where a text or a whole number names something", other.kind())),
    }
}

/// The three keys of an operation.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub resource: Option<Resource>,
    pub groups: BTreeSet<Arc<str>>,
    pub counts: BTreeMap<Arc<str>, Counter>,
}

/// Reads them; `with` is known to `reading`. `None` if one of them is wrong.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<Judged> {
    let before = reading.complaints.len();
    let resource = fields.get("resource").and_then(|node| resource(node, reading));
    let groups = fields.list("groups", &mut reading.complaints);
    let groups = groups.iter().filter_map(|node| group(node, reading)).collect();
    let counts = fields.map("counts", &mut reading.complaints);
    let counts =
        counts.iter().filter_map(|(key, node)| Some((key.text.clone(), counter(key, node, reading)?))).collect();
    (reading.complaints.len() == before).then_some(Judged { resource, groups, counts })
}

fn resource(node: &Node, reading: &mut Reading<'_>) -> Option<Resource> {
    let fields = Fields::new(node, "a resource", &["type", "id"], &[], &mut reading.complaints)?;
    let kind = fields.required("type", &mut reading.complaints).and_then(|node| {
        let name = node.text(&mut reading.complaints)?;
        if TAKEN.contains(&&*name) {
            reading.complaints.push(node.complaint("W020", format!("`{name}` means something already in policies")));
            return None;
        }
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) || !is_identifier(&name) {
            let hint = "letters, digits and _, beginning with a capital letter, as in `Payment`";
            reading.complaints.push(node.complaint("W020", format!("`{name}` cannot name a type")).hint(hint));
            return None;
        }
        Some(name)
    });
    let id = fields.required("id", &mut reading.complaints).and_then(|node| key(node, "the id of a resource", reading));
    Some(Resource { kind: kind?, id: id? })
}

fn group(node: &Node, reading: &mut Reading<'_>) -> Option<Arc<str>> {
    let name = node.text(&mut reading.complaints)?;
    if is_identifier(&name) {
        return Some(name);
    }
    let hint = "letters, digits and _, beginning with a letter, as in `Money`";
    reading.complaints.push(node.complaint("W020", format!("`{name}` cannot name a group")).hint(hint));
    None
}

fn counter(name: &Key, node: &Node, reading: &mut Reading<'_>) -> Option<Counter> {
    if !is_identifier(&name.text) {
        let message = format!("`{}` cannot name a counter", name.text);
        let hint = "letters, digits and _, beginning with a letter, as in `calls_24h`";
        reading.complaints.push(Complaint::new("W020", &node.file, name.span, message).hint(hint));
    }
    let fields = Fields::new(node, "a counter", &["by", "sum", "window"], &[], &mut reading.complaints)?;
    let by =
        fields.required("by", &mut reading.complaints).and_then(|node| key(node, "what is counted apart", reading));
    let sum = fields.get("sum").map(|node| typed(node, &Type::Int, "what is added up", reading));
    fields.required("window", &mut reading.complaints)?;
    let window = fields.time("window", &mut reading.complaints)?;
    if window.micros() == 0 {
        reading.complaints.push(node.complaint("W005", "a window of no length counts nothing"));
        return None;
    }
    let sum = match sum {
        Some(Some(sum)) => Some(sum),
        Some(None) => return None,
        None => None,
    };
    Some(Counter { by: by?, sum, window })
}

/// A template that gives a text or a whole number.
fn key(node: &Node, what: &str, reading: &mut Reading<'_>) -> Option<Template> {
    typed(node, &Type::Union(Arc::from([Type::TEXT, Type::Int])), what, reading)
}

fn typed(node: &Node, wanted: &Type, what: &str, reading: &mut Reading<'_>) -> Option<Template> {
    let (template, ty) = reading.template(node)?;
    match wanted.refusal(&ty) {
        None => Some(template),
        Some(why) => {
            reading.complaints.push(node.complaint("W004", format!("{what} does not fit: {why}")));
            None
        }
    }
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
