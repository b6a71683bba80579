//! `cache:` as it is written, and what `check` says of it.

use std::{collections::BTreeSet, sync::Arc};

use super::{Cache, LONGEST, Memo};
use crate::{
    complaint::{Complaint, Place},
    expr::{Expr, Reads},
    governance::Effect,
    step::{Kind, Step},
    values::Span,
    workflow::{Use, reading::Reading},
    yaml::{self, Fields, Node},
};

/// Reads `cache: { ttl }`. `None`: it has mistakes.
pub(crate) fn exact(node: &Node, reading: &mut Reading<'_>) -> Option<Cache> {
    let fields = Fields::new(node, "`cache`", &["ttl"], &[], &mut reading.complaints)?;
    Some(Cache { ttl: ttl(&fields, reading)? })
}

fn ttl(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<Span> {
    let given = fields.required("ttl", &mut reading.complaints)?;
    let ttl = given.time(&mut reading.complaints)?;
    if ttl <= Span::from_micros(0) || ttl > LONGEST {
        let message = "a result is kept for more than no time and at most thirty days";
        let hint = "write how long it may be used again, such as `1h` or `7d`";
        reading.complaints.push(Complaint::new("W178", &given.file, given.span, message).hint(hint));
        return None;
    }
    Some(ttl)
}

/// `cache: { key, ttl }`, read before the part that it is of.
pub(crate) struct Draft {
    key: Expr,
    ttl: Span,
    file: Arc<str>,
    at: Place,
    /// What the key reads.
    by_key: Vec<Reads>,
    /// What the whole part might read from outside of it.
    visible: BTreeSet<Arc<str>>,
    /// How much was read before the part.
    before: usize,
}

/// What a part has inside.
pub(crate) struct Inside<'s> {
    /// Its steps.
    pub steps: Vec<&'s Step>,
    /// The part is more than a step: nothing inside may be left or returned to by name.
    pub stage: bool,
    /// What the layers around it show to its models.
    pub layers: &'s [Use],
}

/// Reads `cache: { key, ttl }`; only `names`, if they are given, may be read by the key. `None`: it has mistakes.
pub(crate) fn memo(node: &Node, names: Option<&[&str]>, reading: &mut Reading<'_>) -> Option<Draft> {
    let fields = Fields::new(node, "`cache`", &["key", "ttl"], &[], &mut reading.complaints)?;
    let visible = reading.visible();
    let before = reading.uses.len();
    let key = fields.required("key", &mut reading.complaints);
    let read = key.and_then(|key| Some((reading.expr(key)?.0, key)));
    let ttl = ttl(&fields, reading);
    let (key, node) = read?;
    if let Some(root) = names.and_then(|names| key.roots().iter().find(|root| !names.contains(&&*root.name))) {
        let message =
            format!("this key is computed at the start, from `input` alone; `{}` is not there yet", root.name);
        reading.complaints.push(node.complaint("W024", message));
        return None;
    }
    let by_key = reading.uses[before..].iter().map(of_use).collect();
    reading.keys.insert(node.span);
    let before = reading.uses.len();
    Some(Draft { key, ttl: ttl?, file: node.file.clone(), at: node.span, by_key, visible, before })
}

/// Whether `cache:` names a key.
pub(crate) fn has_key(node: &Node) -> bool {
    matches!(&node.kind, yaml::Kind::Map(entries) if entries.iter().any(|(key, _)| &*key.text == "key"))
}

fn of_use(one: &Use) -> Reads {
    (one.name.clone(), one.fields.clone())
}

/// What a draft becomes once its part is read: what the part may not have inside is refused, and what its key leaves out is warned of.
pub(crate) fn of_part(draft: Draft, inside: &Inside<'_>, reading: &mut Reading<'_>) -> Memo {
    let Draft { key, ttl, file, at, by_key, visible, before } = draft;
    let mut found = Found::default();
    for step in &inside.steps {
        found.look(step, inside.stage, &file, reading);
    }
    let layers = if found.asks { inside.layers } else { &[] };
    // What a key inside reads makes no result.
    let own = reading.uses[before..].iter().filter(|one| !reading.keys.contains(&one.at)).chain(layers);
    let reads: Vec<Reads> = own.filter(|one| visible.contains(&one.name)).map(of_use).collect();
    let reads: Vec<Reads> = reads.into_iter().filter(|(name, _)| !found.names.contains(name)).collect();
    let missing: BTreeSet<String> = reads
        .iter()
        .filter(|(name, fields)| !by_key.iter().any(|(own, by)| own == name && fields.starts_with(by)))
        .map(|(name, fields)| {
            let fields: String = fields.iter().map(|field| format!(".{field}")).collect();
            format!("`{name}{fields}`")
        })
        .collect();
    if !missing.is_empty() {
        let all = missing.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = format!("this key leaves out what is read where its result is made: {all}");
        let hint = "whoever has the same key is given the same result, whatever else was read: add it to the key, as in \
                    `[ input.a, input.b ]`";
        reading.complaints.push(Complaint::new("W180", &file, at, message).warning().hint(hint));
    }
    let mut reads: Vec<Reads> = reads.into_iter().chain(by_key).collect();
    reads.sort();
    reads.dedup();
    Memo { key, ttl, reads, calls: found.calls }
}

/// What stands in a part.
#[derive(Default)]
struct Found {
    asks: bool,
    calls: bool,
    /// Names that mean something of their own inside.
    names: BTreeSet<Arc<str>>,
}

impl Found {
    fn look(&mut self, step: &Step, stage: bool, file: &Arc<str>, reading: &mut Reading<'_>) {
        self.asks |= matches!(step.kind, Kind::Reason(_) | Kind::Agent(_) | Kind::Plan(_));
        self.calls |= !step.calls().is_empty();
        if matches!(step.kind, Kind::Each(_) | Kind::Repeat(_)) {
            self.names.extend(["item".into(), "index".into()]);
        }
        let writes = step.calls().into_iter().find(|act| act.declared().effect != Effect::Read);
        let why = match &step.kind {
            _ if writes.is_some() => writes.map(|act| {
                let effect = act.declared().effect.as_str();
                format!(
                    "`{}.{}` is {effect}: what it changes outside must happen in every run",
                    act.tool.name, act.operation
                )
            }),
            Kind::Plan(plan) if plan.review.is_some() => Some("people review its plan, each time anew".to_owned()),
            Kind::Emit(_) => Some("it publishes an event, which must happen in every run".to_owned()),
            Kind::Approve(_) => Some("it asks people, each time anew".to_owned()),
            Kind::Handoff(_) | Kind::Specialist(_) => {
                Some("it hands work over, which must happen in every run".to_owned())
            }
            Kind::Wait(_) => Some("what it waits for comes to one run".to_owned()),
            Kind::Verify(_) => Some("it proves what its own run did".to_owned()),
            _ => None,
        };
        if let Some(why) = why {
            let message = format!("the step `{}` stands in something that is cached, and {why}", step.name);
            let hint = "a result is used again without anything being done: cache only what reads and computes, such as the steps before it";
            reading.complaints.push(Complaint::new("W179", file, step.at, message).hint(hint));
        }
        let leaves = match &step.kind {
            Kind::Decide(decide) if stage && decide.ways().any(|chosen| !chosen.is_empty()) => Some("chooses stages"),
            _ if stage && step.checkpoint => Some("is a checkpoint"),
            _ => None,
        };
        if let Some(leaves) = leaves {
            let message = format!(
                "the step `{}` {leaves}, and its stage may be skipped because its result is used again",
                step.name
            );
            let hint = "put it into a stage of its own, without `cache`; or cache the steps before it one by one";
            reading.complaints.push(Complaint::new("W181", file, step.at, message).hint(hint));
        }
        for (_, steps) in step.bodies() {
            steps.iter().for_each(|inner| self.look(inner, stage, file, reading));
        }
    }
}
