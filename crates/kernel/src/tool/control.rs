//! What an operation's answer carries and which of its arguments say what is done to whom: `returns`, `control`, `allow_list`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Operation, Reach};
use crate::{
    complaint::{Complaint, did_you_mean},
    governance::labels::{Allowed, Words, WordsOf},
    schema::Schema,
    types::{Property, Type},
    workflow::reading::Reading,
    yaml::{Fields, Kind, Node},
};

/// What stands under `returns`: the schema (absent, wrong, or there), and the labels; no labels if those are wrong.
type Returns = (Option<Option<Arc<Schema>>>, Option<Words>);

/// `returns: schemas/x.yaml`, or `returns: { schema, labels }`.
pub(super) fn returns(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Returns {
    let Some(node) = fields.get("returns") else { return (None, Some(Words::default())) };
    if !matches!(node.kind, Kind::Map(_)) {
        return (Some(reading.schema(node)), Some(Words::default()));
    }
    let Some(fields) = Fields::new(node, "`returns`", &["schema", "labels"], &[], &mut reading.complaints) else {
        return (None, None);
    };
    let schema = fields.get("schema").map(|node| reading.schema(node));
    let labels = match fields.get("labels") {
        Some(node) => Words::read(node, WordsOf::Returns, &mut reading.complaints),
        None => Some(Words::default()),
    };
    (schema, labels)
}

impl Reach {
    /// Whether every operation of such a tool tells something to somebody outside: an address alone can carry a text.
    fn is_outward(&self) -> bool {
        match self {
            Reach::Page(_) | Reach::Mail(_) | Reach::Webhook(_) => true,
            Reach::Native | Reach::Http { .. } | Reach::Sql { .. } | Reach::Command(_) | Reach::Mcp(_) => false,
        }
    }

    /// The arguments that say where it goes, if nothing else does.
    fn control(&self) -> &'static [&'static str] {
        match self {
            Reach::Mail(_) => &["to", "cc", "bcc"],
            // The hosts that a page tool lists are its allow-list, and `any` is the operator's word that there is none; where an
            // event is posted is his word as well. What leaves with an address is held by the rule on what is private.
            Reach::Page(_) | Reach::Webhook(_) => &[],
            Reach::Native | Reach::Http { .. } | Reach::Sql { .. } | Reach::Command(_) | Reach::Mcp(_) => &[],
        }
    }
}

/// Gives an operation its control arguments; `None` if they are wrong.
pub(super) fn complete(
    mut operation: Operation,
    reach: Option<&Reach>,
    node: &Node,
    reading: &mut Reading<'_>,
) -> Option<Operation> {
    let entries = node.map(&mut reading.complaints)?;
    let find = |key: &str| entries.iter().find(|(name, _)| &*name.text == key).map(|(_, node)| node);
    operation.outward = reach.is_some_and(Reach::is_outward);
    let own = reach.map(Reach::control).unwrap_or_default();
    operation.control = own.iter().map(|name| Arc::from(*name)).collect();
    let mut fine = true;
    if let Some(node) = find("control") {
        for item in node.list(&mut reading.complaints)? {
            let name = item.text(&mut reading.complaints)?;
            if let Some(complaint) = no_argument(&operation, &name, item) {
                reading.complaints.push(complaint);
                fine = false;
            }
            operation.control.insert(name);
        }
    }
    if let Some(node) = find("allow_list") {
        let list = allow_list(node, &operation.control, reading)?;
        operation.allow_list = list;
    }
    fine.then_some(operation)
}

/// Why no argument has that name.
fn no_argument(operation: &Operation, name: &str, node: &Node) -> Option<Complaint> {
    let params = operation.params.as_ref()?;
    let known = match params.ty() {
        Type::Object { fields, .. } => fields.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let known = match params.ty().property(name) {
        Property::Found { .. } => return None,
        // An open schema that names its arguments means those.
        Property::Unknown if known.is_empty() => return None,
        _ => known,
    };
    let hint = did_you_mean(name, known.iter().map(|name| &**name));
    Some(node.complaint("W083", format!("the operation has no argument `{name}`")).or_hint(hint))
}

type AllowList = BTreeMap<Arc<str>, Vec<Allowed>>;

fn allow_list(node: &Node, control: &BTreeSet<Arc<str>>, reading: &mut Reading<'_>) -> Option<AllowList> {
    let mut list = AllowList::new();
    for (key, node) in node.map(&mut reading.complaints)? {
        if !control.contains(&key.text) {
            let hint = did_you_mean(&key.text, control.iter().map(|name| &**name))
                .unwrap_or_else(|| format!("name it under `control: [ {} ]` as well", key.text));
            let message = format!("`{}` is no control argument, so nothing asks for its list", key.text);
            reading.complaints.push(Complaint::new("W083", &node.file, key.span, message).hint(hint));
            return None;
        }
        let items = node.list(&mut reading.complaints)?;
        let allowed = items.iter().map(|item| Allowed::read(item, &mut reading.complaints));
        list.insert(key.text.clone(), allowed.collect::<Option<_>>()?);
    }
    Some(list)
}
