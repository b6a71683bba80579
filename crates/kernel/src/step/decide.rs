//! `decide`: a deterministic branch. `Decided` closes it, unless it chose stages: then they run inside it, and it closes by
//! itself with the last of them.

use std::sync::Arc;

use crate::{
    expr::Condition,
    ids::StepPath,
    journal::Event,
    next::{Frame, Stop, Walk},
    recovery::{Failure, FailureKind},
    types::Type,
    values::{Map, Value},
    workflow::reading::Reading,
    yaml::{Fields, Kind, Node},
};

/// `decide: [ { when, then }, … ]`, `otherwise`.
#[derive(Debug)]
pub struct Decide {
    /// The first one whose condition holds wins.
    pub rules: Vec<Rule>,
    /// What follows if none holds; empty for `next`.
    pub otherwise: Vec<Arc<str>>,
}

/// One line of a `decide`.
#[derive(Debug)]
pub struct Rule {
    /// When it fires.
    pub when: Condition,
    /// The stages it chooses, in order; empty for `next`.
    pub then: Vec<Arc<str>>,
}

/// Values longer than this are recorded by their digest.
const SHOWN: usize = 512;

impl Decide {
    pub(crate) fn begin(&self, walk: &mut Walk<'_>, path: &StepPath, frame: &Frame<'_>) -> Result<(), Stop> {
        let mut saw = Map::new();
        let (mut fired, mut then) = (None, &self.otherwise);
        for (number, rule) in (0_u32..).zip(&self.rules) {
            let roots = rule.when.roots();
            let values = walk.gather(roots, frame)?;
            for (root, value) in roots.iter().zip(values) {
                saw.entry(root.name.clone()).or_insert_with(|| shown(value));
            }
            if walk.holds(&rule.when, frame)? {
                (fired, then) = (Some(number), &rule.then);
                break;
            }
        }
        if let Some(again) = then.iter().find(|stage| walk.state.began.contains(*stage)) {
            let detail = format!("stage `{again}` ran already: a stage runs once");
            return Err(Stop::Failed(Failure::inside(FailureKind::ContractViolated, detail)));
        }
        walk.record(Event::Decided {
            step: path.clone(),
            rule: fired,
            saw: Value::Map(Arc::new(saw)),
            then: then.clone(),
        });
        Ok(())
    }
}

/// A value as a record shows it: a long one by its digest.
pub(crate) fn shown(value: Value) -> Value {
    let text = value.to_jcs();
    if text.len() <= SHOWN { value } else { Value::from(format!("sha256:{}", value.digest())) }
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 2] = ["decide", "otherwise"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Decide, Type)> {
    let node = fields.get("decide")?;
    if node.scalar().is_some() {
        let message = "a decision table in a file of its own is not supported yet";
        reading.complaints.push(node.complaint("W002", message).hint("write the rules here, as a list"));
        return None;
    }
    let items = node.list(&mut reading.complaints)?;
    let mut rules = Vec::new();
    for item in items {
        let Some(fields) = Fields::new(item, "a rule", &["when", "then"], &[], &mut reading.complaints) else {
            continue;
        };
        let when = fields.required("when", &mut reading.complaints).and_then(|node| reading.condition(node));
        let then = fields.required("then", &mut reading.complaints).and_then(|node| targets(node, reading));
        if let (Some(when), Some(then)) = (when, then) {
            rules.push(Rule { when, then });
        }
    }
    let otherwise = match fields.get("otherwise") {
        Some(node) => targets(node, reading)?,
        None => {
            let message = "a `decide` says what follows if no rule fires";
            reading.complaints.push(node.complaint("W003", message).hint("write `otherwise: next` or name a stage"));
            return None;
        }
    };
    let ty = Type::object([("rule", Type::Int.maybe()), ("then", Type::list(Type::TEXT))]);
    Some((Decide { rules, otherwise }, ty))
}

/// `next`, a stage, or a list of stages.
fn targets(node: &Node, reading: &mut Reading<'_>) -> Option<Vec<Arc<str>>> {
    let stages = match &node.kind {
        Kind::Scalar { text, .. } if &**text == "next" => return Some(Vec::new()),
        Kind::List(items) => items.iter().map(|item| reading.target(item)).collect(),
        Kind::Map(_) => {
            Fields::new(node, "`then`", &[], &["person"], &mut reading.complaints);
            None
        }
        Kind::Scalar { .. } => reading.target(node).map(|stage| vec![stage]),
    };
    if reading.bodies > 0 && stages.is_some() {
        let message = "a `decide` inside each, parallel or repeat cannot choose a stage";
        let hint = "use `next` here and guard the steps that follow with `when:`";
        reading.complaints.push(node.complaint("W022", message).hint(hint));
        return None;
    }
    stages
}
