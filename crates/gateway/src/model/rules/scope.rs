//! The names that an expression of a file may read, when it is read and when it is computed.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    complaint::{Complaint, Complaints},
    expr::{Condition, Names, Root, RootKind, Template, Text},
    types::Type,
    values::Value,
    yaml::{Kind, Node},
};

/// Names and the types of their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    types: BTreeMap<Arc<str>, Type>,
    /// The confidences that are missed, for a better word than "no such name".
    unfitted: bool,
}

/// What to do about a confidence that nothing measured.
const FIT: &str = "a confidence is measured: fit a table to judged answers and write it as \
                   `calibration: { fitted_on: …, table: [[0, …]] }`; docs/models.md says how";

impl Scope {
    pub(super) fn add(&mut self, name: impl Into<Arc<str>>, ty: Type) {
        self.types.insert(name.into(), ty);
    }

    /// A name whose value may also be of that type.
    pub(super) fn join(&mut self, name: &str, ty: Type) {
        if let Some(known) = self.types.get_mut(name) {
            *known = std::mem::take(known).join(ty);
        }
    }

    /// The same with one name more.
    pub(super) fn with(mut self, name: &str, ty: Type) -> Scope {
        self.add(name, ty);
        self
    }

    /// The same where a confidence is known only by its absence.
    pub(super) fn without_confidence(mut self) -> Scope {
        self.unfitted = true;
        self
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.types.contains_key(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.types.keys().map(|name| &**name)
    }

    fn look<T>(&self, then: impl FnOnce(&Names<'_>) -> T) -> T {
        let known: Vec<&str> = self.names().collect();
        then(&Names { types: &|name| self.types.get(name).cloned(), known: &known })
    }

    /// A value with expressions in it, and its type.
    pub(super) fn template(&self, node: &Node, complaints: &mut Complaints) -> Option<(Template, Type)> {
        let before = complaints.len();
        invented(node, complaints);
        let template = complaints.take(Template::compile(node))?;
        self.values_only(template.roots(), node, complaints)?;
        match self.look(|names| template.ty(names)) {
            Ok(ty) if complaints.len() == before => Some((template, ty)),
            Ok(_) => None,
            Err(wrong) => {
                complaints.extend(wrong.into_iter().map(|one| self.about_confidence(one)));
                None
            }
        }
    }

    /// A text with holes.
    pub(super) fn text(&self, node: &Node, complaints: &mut Complaints) -> Option<Text> {
        node.text(complaints)?;
        let text = complaints.take(Text::of_node(node))?;
        self.values_only(text.roots(), node, complaints)?;
        let faults = self.look(|names| text.check(names)).err().unwrap_or_default();
        self.faults(faults, node, complaints)?;
        Some(text)
    }

    /// A condition.
    pub(super) fn condition(&self, node: &Node, complaints: &mut Complaints) -> Option<Condition> {
        let condition = complaints.take(Condition::of_node(node))?;
        self.values_only(condition.roots(), node, complaints)?;
        let faults = self.look(|names| condition.check(names)).err().unwrap_or_default();
        self.faults(faults, node, complaints)?;
        Some(condition)
    }

    fn faults(&self, faults: Vec<kernel::expr::Fault>, node: &Node, complaints: &mut Complaints) -> Option<()> {
        if faults.is_empty() {
            return Some(());
        }
        complaints.extend(faults.into_iter().map(|fault| self.about_confidence(fault.complaint(node))));
        None
    }

    fn about_confidence(&self, complaint: Complaint) -> Complaint {
        let missed = self.unfitted && complaint.message.contains("confidence");
        if missed { complaint.hint(FIT) } else { complaint }
    }

    /// Rules know what their step was shown, and nothing of the run around it.
    fn values_only(&self, roots: &[Root], node: &Node, complaints: &mut Complaints) -> Option<()> {
        let root = roots.iter().find(|root| root.what != RootKind::Value);
        let Some(root) = root else { return Some(()) };
        let message = format!("rules know what their step was shown, not how the step `{}` went", root.name);
        complaints.push(node.complaint("W005", message));
        None
    }
}

/// A confidence that is written down is invented.
fn invented(node: &Node, complaints: &mut Complaints) {
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| invented(item, complaints)),
        Kind::Map(entries) => {
            for (key, value) in entries {
                let measured = value.is_null() || value.scalar().is_none_or(|text| text.contains("confidence"));
                if &*key.text == "confidence" && !measured {
                    let message = "this is no confidence that a table gave";
                    complaints.push(value.complaint("W005", message).hint(FIT));
                } else {
                    invented(value, complaints);
                }
            }
        }
        Kind::Scalar { .. } => {}
    }
}

/// The values that `roots` want, by name.
pub(super) fn values(roots: &[Root], find: impl Fn(&str) -> Option<Value>) -> Vec<Value> {
    roots.iter().map(|root| find(&root.name).unwrap_or_default()).collect()
}
