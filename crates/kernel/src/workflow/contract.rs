//! `done_when`: facts without which a run does not complete. They are asked of what the journal proves, never of a text.

use std::sync::Arc;

use crate::{
    complaint::{Complaint, did_you_mean},
    expr::{Condition, Template},
    next::{Frame, Stop, Walk},
    recovery::{Failure, FailureKind},
    step::{Kind, Step, act},
    types::Type,
    workflow::{Stage, reading::Reading},
    yaml::{Fields, Node},
};

/// One item of `done_when`.
#[derive(Debug)]
pub struct Demand {
    /// Which, from 1.
    pub number: u32,
    /// If it is false, nothing is demanded.
    pub when: Option<Condition>,
    /// What is demanded.
    pub fact: Fact,
}

/// What is demanded.
#[derive(Debug)]
pub enum Fact {
    /// An operation was certainly performed.
    Performed {
        /// `tool.operation`.
        action: Arc<str>,
        /// On the business object of this id.
        resource: Option<Template>,
        /// So often.
        at_least: u32,
    },
    /// An operation was certainly not performed.
    NotPerformed {
        /// `tool.operation`.
        action: Arc<str>,
        /// On the business object of this id.
        resource: Option<Template>,
    },
    /// A `verify` step held.
    Verified(Arc<str>),
    /// A condition over values.
    Holds(Condition),
}

impl Demand {
    /// Whether it is met at the end of a run.
    ///
    /// # Errors
    /// The failure that the run ends with; it names the fact that is missing.
    pub(crate) fn met(&self, walk: &Walk<'_>, frame: &Frame<'_>) -> Result<(), Stop> {
        if let Some(when) = &self.when
            && !walk.holds(when, frame)?
        {
            return Ok(());
        }
        let missing = match &self.fact {
            Fact::Performed { action, resource, at_least } => {
                let on = id(walk, resource.as_ref(), frame)?;
                let (certain, doubtful) = counted(walk, action, on.as_deref(), false);
                if certain >= *at_least as usize {
                    return Ok(());
                }
                let often = if *at_least > 1 { format!(" at least {at_least} times") } else { String::new() };
                let doubt = if doubtful > 0 { format!(", and {doubtful} more in doubt") } else { String::new() };
                format!("`{action}` performed{}{often}: the journal proves {certain}{doubt}", object(on.as_deref()))
            }
            Fact::NotPerformed { action, resource } => {
                let on = id(walk, resource.as_ref(), frame)?;
                let (certain, doubtful) = counted(walk, action, on.as_deref(), true);
                if certain + doubtful == 0 {
                    return Ok(());
                }
                let doubt = if doubtful > 0 { format!(", and {doubtful} in doubt") } else { String::new() };
                format!("`{action}` not performed{}: the journal holds {certain}{doubt}", object(on.as_deref()))
            }
            Fact::Verified(step) if walk.state.verified.contains(step) => return Ok(()),
            Fact::Verified(step) => format!("`{step}` verified: it is not"),
            Fact::Holds(condition) if walk.holds(condition, frame)? => return Ok(()),
            Fact::Holds(condition) => {
                let detail = format!("done_when {}: `{}` does not hold", self.number, condition.source());
                return Err(Stop::Failed(Failure::inside(FailureKind::ContractViolated, detail)));
            }
        };
        let detail = format!("done_when {} wants {missing}", self.number);
        Err(Stop::Failed(Failure::inside(FailureKind::UnsupportedClaim, detail)))
    }
}

/// How often it was performed, and how often it may have been. What is `gone` because it was taken back counts only if that is asked.
fn counted(walk: &Walk<'_>, action: &str, on: Option<&str>, gone: bool) -> (usize, usize) {
    let found = walk.state.performed.iter().filter(|one| one.is(action, on) && (gone || !one.taken_back));
    let (certain, doubtful): (Vec<_>, Vec<_>) = found.partition(|one| one.certain);
    (certain.len(), doubtful.len())
}

fn id(walk: &Walk<'_>, resource: Option<&Template>, frame: &Frame<'_>) -> Result<Option<String>, Stop> {
    let Some(resource) = resource else { return Ok(None) };
    let value = walk.evaluate(resource, frame)?;
    Ok(Some(value.as_str().map_or_else(|| value.to_json(), str::to_owned)))
}

fn object(on: Option<&str>) -> String {
    on.map_or_else(String::new, |id| format!(" on `{id}`"))
}

const FACTS: [&str; 4] = ["performed", "not_performed", "verified", "holds"];
const KEYS: [&str; 7] = ["performed", "not_performed", "verified", "holds", "when", "resource", "at_least"];

/// Reads `done_when`, when all names of the workflow are known.
///
/// `stages` are all of them, or `None` if some have mistakes: then what a demand names may only seem to be missing.
pub(super) fn read(fields: &Fields<'_>, stages: Option<&[Stage]>, reading: &mut Reading<'_>) -> Vec<Demand> {
    let Some(node) = fields.get("done_when") else { return Vec::new() };
    let items = node.list(&mut reading.complaints).unwrap_or_default();
    let demand = |(number, item): (u32, &Node)| demand(number, item, stages, reading);
    (1..).zip(items).filter_map(demand).collect()
}

fn demand(number: u32, node: &Node, stages: Option<&[Stage]>, reading: &mut Reading<'_>) -> Option<Demand> {
    let fields = Fields::new(node, "an item of `done_when`", &KEYS, &[], &mut reading.complaints)?;
    let said: Vec<&str> = FACTS.into_iter().filter(|key| fields.has(key)).collect();
    let [what] = said[..] else {
        let message = match said.as_slice() {
            [] => "this demands nothing".to_owned(),
            several => format!("this demands `{}` at once", several.join("` and `")),
        };
        let hint = format!("write one of {} in each item", FACTS.join(", "));
        reading.complaints.push(node.complaint("W113", message).hint(hint));
        return None;
    };
    let only = |key: &str, of: &[&str], reading: &mut Reading<'_>| {
        if let (Some(key), false) = (fields.key(key), of.contains(&what)) {
            let message = format!("`{}` says nothing about `{what}`", key.text);
            reading.complaints.push(Complaint::new("W113", &node.file, key.span, message));
        }
    };
    only("resource", &["performed", "not_performed"], reading);
    only("at_least", &["performed"], reading);
    let when = fields.get("when").map(|node| reading.condition(node));
    // What `when` proves need not be proven again by what it guards.
    let proven = match &when {
        Some(Some(when)) => reading.proven(when),
        _ => Vec::new(),
    };
    reading.enter(proven);
    let fact = fact(what, &fields, stages, reading);
    reading.leave();
    let when = match when {
        Some(when) => Some(when?),
        None => None,
    };
    Some(Demand { number, when, fact: fact? })
}

fn fact(what: &str, fields: &Fields<'_>, stages: Option<&[Stage]>, reading: &mut Reading<'_>) -> Option<Fact> {
    let node = fields.get(what)?;
    match what {
        "holds" => reading.condition(node).map(Fact::Holds),
        "verified" => {
            let name = node.text(&mut reading.complaints)?;
            let mut known = Vec::new();
            each_step(stages, &mut |step| {
                if matches!(step.kind, Kind::Verify(_)) {
                    known.push(step.name.clone());
                }
            });
            if known.contains(&name) || stages.is_none() {
                return Some(Fact::Verified(name));
            }
            let hint = did_you_mean(&name, known.iter().map(|name| &**name));
            let message = format!("there is no `verify` step `{name}`");
            reading.complaints.push(node.complaint("W111", message).or_hint(hint));
            None
        }
        _ => {
            let action = node.text(&mut reading.complaints)?;
            act::operation(&action, node, reading)?;
            let mut performs = false;
            each_step(stages, &mut |step| {
                let mut called =
                    step.calls().into_iter().flat_map(|act| std::iter::once(act).chain(act.undo.as_deref()));
                performs |= called.any(|act| format!("{}.{}", act.tool.name, act.operation) == *action);
            });
            if !performs && stages.is_some() {
                let message = format!("no step of this workflow performs `{action}`");
                reading.complaints.push(node.complaint("W112", message));
                return None;
            }
            let resource = match fields.get("resource") {
                None => None,
                Some(node) => Some(resource(node, reading)?),
            };
            if what == "not_performed" {
                return Some(Fact::NotPerformed { action, resource });
            }
            let at_least = fields.int("at_least", 1, 1_000_000, &mut reading.complaints).unwrap_or(1);
            Some(Fact::Performed { action, resource, at_least: u32::try_from(at_least).unwrap_or(1) })
        }
    }
}

fn resource(node: &Node, reading: &mut Reading<'_>) -> Option<Template> {
    let (template, ty) = reading.template(node)?;
    if Type::TEXT.refusal(&ty).is_some() && Type::Int.refusal(&ty).is_some() {
        let message = "`resource` is the id of a business object: a text or a whole number";
        reading.complaints.push(node.complaint("E003", message));
        return None;
    }
    Some(template)
}

/// Every step, bodies included.
fn each_step(stages: Option<&[Stage]>, found: &mut dyn FnMut(&Step)) {
    fn down(steps: &[Step], found: &mut dyn FnMut(&Step)) {
        for step in steps {
            found(step);
            step.bodies().into_iter().for_each(|(_, steps)| down(steps, found));
        }
    }
    stages.unwrap_or_default().iter().for_each(|stage| down(&stage.steps, found));
}
