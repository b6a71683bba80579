//! `handoff` to a workflow: another workflow of the same bundle does the work, as a run of its own. `ChildStarted` opens it,
//! `ChildReported` is what that run said when it was over; `ChildEnded` closes it, with the result or as a failure.

use std::{collections::BTreeSet, sync::Arc};

use super::people;
use crate::{
    complaint::Place,
    expr::{Template, Text},
    governance::{approval::seen, budget::Limit},
    ids::{Digest, RunId, StepPath},
    journal::{ChildEnd, Event, Held, Report, Scope},
    next::{Frame, Handing, Next, Record, Stop, Walk},
    recovery::{Failure, FailureKind},
    run::{Doing, Open},
    schema::Schema,
    types::Type,
    values::{Span, Value},
    workflow::reading::Reading,
    yaml::{Fields, Node},
};

/// So deep may work be handed on: a workflow that hands its work to itself without end fails there.
pub const DEEPEST: usize = 8;

/// `handoff: { to: { workflow: name }, task, with, contract, accept, scope, timeout }`.
#[derive(Debug)]
pub struct Specialist {
    /// The other workflow.
    pub to: Arc<str>,
    /// Where its name stands.
    pub at: Place,
    /// What is to be done.
    pub task: Text,
    /// What it works on, by name: its input.
    pub with: Option<Template>,
    /// Of what type that is.
    pub with_type: Type,
    /// Where that stands.
    pub with_at: Place,
    /// What its result must fit.
    pub contract: Arc<Schema>,
    /// Where that is named.
    pub contract_at: Place,
    /// What nothing verified crosses as well, as claims.
    pub claims: bool,
    /// What it may do and spend.
    pub scope: Scope,
    /// Where each tool of the scope is named.
    pub tools_at: Vec<(Arc<str>, Place)>,
    /// How long it may take.
    pub timeout: Option<Span>,
}

impl Specialist {
    pub(crate) fn begin(
        &self,
        walk: &mut Walk<'_>,
        path: &StepPath,
        frame: &Frame<'_>,
        open: Option<&Open>,
    ) -> Result<(), Stop> {
        let nth = open.map_or(0, |open| open.asked) + 1;
        let above = walk.state.parent().map_or(0, |parent| parent.above.len());
        if above + 1 >= DEEPEST {
            let detail = format!(
                "workflow `{}` would be the {}th below the first: work is handed on {DEEPEST} deep at most",
                self.to,
                above + 1
            );
            return Err(Stop::Failed(Failure::inside(FailureKind::HandoffFailed, detail)));
        }
        let task = walk.render(&self.task, frame)?;
        let with = match &self.with {
            Some(with) => walk.evaluate(with, frame)?,
            None => Value::map::<&str>([]),
        };
        let now = walk.facts.now;
        let child = child_id(walk, path, nth);
        let due_at = self.timeout.map(|span| now + span);
        let scope = walk.state.parent().map_or_else(|| self.scope.clone(), |parent| self.scope.within(&parent.scope));
        let from = Value::map([
            ("workflow", Value::Text(walk.program.name.clone())),
            ("run", Value::from(walk.state.run.to_string())),
            ("step", Value::from(path.as_str())),
        ]);
        let to = Value::map([("workflow", Value::Text(self.to.clone())), ("run", Value::from(child.to_string()))]);
        let json = serde_json::to_value(&scope).unwrap_or_default();
        let envelope = Value::map([
            ("v", Value::Int(1)),
            ("from", from),
            ("to", to),
            ("task", Value::from(task)),
            ("evidence", people::standings(walk, path, &with)),
            ("artifact", with.clone()),
            ("scope", Value::try_from(&json).unwrap_or_default()),
            ("due_at", due_at.map_or(Value::Null, |at| Value::from(at.to_string()))),
            ("status", Value::from("open")),
        ]);
        let left = walk.own_limit().map(|limit| walk.spent.left(&limit));
        walk.then(Next::Hand(Box::new(Handing {
            step: path.clone(),
            child,
            workflow: self.to.clone(),
            input: with,
            envelope: seen(&envelope),
            due_at,
            scope,
            left,
            generation: walk.facts.charter.generation,
        })));
        Ok(())
    }

    pub(crate) fn go_on(
        &self,
        walk: &mut Walk<'_>,
        open: &Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let Doing::Handed(handed) = &open.doing else { return Ok(()) };
        if frame.draining() {
            return Ok(());
        }
        let (child, workflow) = (handed.child, &handed.workflow);
        let failed = |kind, detail: String| ChildEnd::Failed { failure: Failure::inside(kind, detail) };
        let mut blobs = Vec::new();
        let end = match (&handed.reported, handed.due_at) {
            (Some(reported), _) => match &reported.report {
                Report::Completed(held) => {
                    let result = walk.unhold(held)?;
                    match self.contract.validate(&result) {
                        Ok(()) => {
                            ChildEnd::Gave { output: Held::hold(result, &mut blobs), facts: reported.facts.clone() }
                        }
                        Err(why) => failed(
                            FailureKind::ContractViolated,
                            format!(
                                "the result of workflow `{workflow}` ({child}) does not fit the contract: {}",
                                why.join("; ")
                            ),
                        ),
                    }
                }
                Report::Failed(why) => failed(
                    FailureKind::HandoffFailed,
                    format!("workflow `{workflow}` ({child}) failed with {}: {}", why.kind, why.detail),
                ),
                Report::Cancelled => {
                    failed(FailureKind::HandoffFailed, format!("workflow `{workflow}` ({child}) was cancelled"))
                }
            },
            (None, Some(due)) if due <= walk.facts.now => failed(
                FailureKind::NoAnswer,
                format!("workflow `{workflow}` ({child}) was not done in time, and is cancelled"),
            ),
            (None, due) => {
                walk.wait(due, || format!("workflow {workflow} at `{path}` ({child})"));
                return Ok(());
            }
        };
        let spent = walk.state.spent.reserved.get(path).and(handed.reported.as_ref()).and_then(|said| said.spent);
        let event = Event::ChildEnded { step: path.clone(), child, end, spent };
        walk.push(Record { event, blobs });
        Ok(())
    }
}

/// Names the run: the same handoff of the same visit at the same moment has the same one.
fn child_id(walk: &Walk<'_>, path: &StepPath, nth: u32) -> RunId {
    let run = walk.state.run.bytes();
    let digest = Digest::of(&[b"surefoot/child/v1\0", &run, path.as_str().as_bytes(), &nth.to_be_bytes()]);
    let mut random = [0; 10];
    random.copy_from_slice(&digest.bytes()[..10]);
    RunId::new(walk.facts.now, random)
}

/// The keys below `handoff`, and those of later versions.
const INNER: [&str; 7] = ["to", "task", "with", "contract", "accept", "scope", "timeout"];
const LATER: [&str; 1] = ["on_timeout"];

/// Whether a `handoff` names a workflow.
pub(crate) fn names_workflow(node: &Node) -> bool {
    use crate::yaml::Kind;
    let under = |node: &Node, name: &str| match &node.kind {
        Kind::Map(entries) => entries.iter().find(|(key, _)| &*key.text == name).map(|(_, node)| node.clone()),
        _ => None,
    };
    under(node, "to").and_then(|to| under(&to, "workflow")).is_some()
}

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Specialist, Type)> {
    let node = fields.get("handoff")?;
    let fields = Fields::new(node, "`handoff`", &INNER, &LATER, &mut reading.complaints)?;
    let to = fields.required("to", &mut reading.complaints).and_then(|node| {
        let fields = Fields::new(node, "`to`", &["workflow"], &[], &mut reading.complaints)?;
        let node = fields.required("workflow", &mut reading.complaints)?;
        Some((node.text(&mut reading.complaints)?, node.span))
    });
    let task = fields.required("task", &mut reading.complaints).and_then(|node| reading.text(node));
    let with = match fields.get("with") {
        None => Some((None, Type::object::<&str>([]), node.span)),
        Some(node) => node
            .map(&mut reading.complaints)
            .and_then(|_| reading.template(node))
            .map(|(template, ty)| (Some(template), ty, node.span)),
    };
    let contract = fields.required("contract", &mut reading.complaints);
    let contract = contract.and_then(|node| Some((reading.schema(node)?, node.span)));
    let claims = fields.one_of("accept", &["facts", "claims"], &mut reading.complaints) == Some("claims");
    let scope = match fields.get("scope") {
        None => Some((Scope::default(), Vec::new())),
        Some(node) => scope(node, reading),
    };
    let timeout = fields.time("timeout", &mut reading.complaints);
    let (contract, contract_at) = contract?;
    let ty = contract.ty().clone();
    let ((to, at), (with, with_type, with_at), (scope, tools_at)) = (to?, with?, scope?);
    let task = task?;
    Some((
        Specialist { to, at, task, with, with_type, with_at, contract, contract_at, claims, scope, tools_at, timeout },
        ty,
    ))
}

/// Where each of several names stands.
type Places = Vec<(Arc<str>, Place)>;

/// `scope: { tools, budget }`.
fn scope(node: &Node, reading: &mut Reading<'_>) -> Option<(Scope, Places)> {
    let fields = Fields::new(node, "`scope`", &["tools", "budget"], &[], &mut reading.complaints)?;
    let mut places = Vec::new();
    let tools = match fields.get("tools") {
        None => None,
        Some(node) => {
            let mut names = BTreeSet::new();
            for item in node.list(&mut reading.complaints)? {
                let name = item.text(&mut reading.complaints)?;
                places.push((name.clone(), item.span));
                names.insert(name);
            }
            Some(names)
        }
    };
    let budget = fields.get("budget").and_then(|node| Limit::of_run(node, &mut reading.complaints));
    Some((Scope { tools, budget }, places))
}
