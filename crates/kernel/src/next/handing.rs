//! Work that is handed to another workflow: the run that does it is started, and says what came of it when it is over.

use std::sync::Arc;

use super::{Record, Starter, Starting, begin};
use crate::{
    governance::budget::{Amounts, Exceeded, Limit, RUN, Reserved, Unit},
    ids::{RunId, StepPath},
    journal::{Blob, End, Event, Held, Parent, Report, Scope},
    recovery::{Failure, FailureKind},
    run::{Performed, RunState},
    values::{Timestamp, Value},
    workflow::Program,
};

/// Work that is to be handed over. Whoever drives the run brings the program of the other workflow, for [`hand`].
#[derive(Clone, Debug, PartialEq)]
pub struct Handing {
    /// The step.
    pub step: StepPath,
    /// The run that is to do it.
    pub child: RunId,
    /// The other workflow, of the same bundle.
    pub workflow: Arc<str>,
    /// What it works on.
    pub input: Value,
    /// The envelope.
    pub envelope: Value,
    /// From when on no result counts.
    pub due_at: Option<Timestamp>,
    /// What it may do and spend.
    pub scope: Scope,
    /// What this run has left to spend of its own; `None`: nothing limits that.
    pub left: Option<Limit>,
    /// The charter's generation.
    pub generation: u64,
}

/// What became of it.
#[derive(Debug)]
pub enum Handed {
    /// The entry of this run, and the other run, which starts in the same transaction.
    Started {
        /// `ChildStarted`.
        record: Record,
        /// The other run.
        starting: Box<Starting>,
        /// Of which workflow.
        workflow: Arc<str>,
    },
    /// The step fails: what was to be handed over does not fit, or there is nothing left to spend.
    Failed(Record),
}

/// Starts the run of another workflow, whose `program` this is. `state` is the run that hands the work over.
pub fn hand(handing: Handing, state: &RunState, program: &Program, now: Timestamp, salt: [u8; 16]) -> Handed {
    let Handing { step, child, workflow, input, envelope, due_at, mut scope, left, generation } = handing;
    let failed = |step: StepPath, failure| Handed::Failed(Record::of(Event::StepFailed { step, failure }));
    let Some(start) = &state.start else {
        return failed(step, Failure::inside(FailureKind::Internal, "the run has no first entry"));
    };
    let mut reserved = None;
    if let Some(left) = &left {
        if let Some((unit, _)) = left.limited().find(|(_, left)| *left == 0) {
            let why = Exceeded::Full { scope: RUN.into(), unit, wanted: 1, left: Some(0), limit: 0, per: left.per };
            let detail = format!("nothing is left to hand to workflow `{workflow}`: {why}");
            return failed(step, Failure::inside(FailureKind::BudgetExceeded, detail));
        }
        let bounds = [scope.budget, program.budget].into_iter().flatten();
        let budget = bounds.fold(*left, |sum, one| sum.narrowed(&one));
        let of = |unit: Unit| left.get(unit).and(budget.get(unit)).unwrap_or(0);
        let max = Amounts {
            money_uusd: of(Unit::Money),
            tokens: of(Unit::Tokens),
            calls: of(Unit::Calls),
            time_us: of(Unit::Time),
        };
        reserved = Some(Box::new(Reserved { generation, max, lines: Vec::new() }));
        scope.budget = Some(budget);
    }
    let mut blobs = Vec::new();
    let envelope = Held::hold(envelope, &mut blobs);
    let mut above = start.parent.as_ref().map(|parent| parent.above.clone()).unwrap_or_default();
    above.push(start.workflow.clone());
    let (run, effects, starters) = (state.run, state.effects(), state.starters().to_vec());
    let parent = Parent { run, step: step.clone(), above, scope, envelope: envelope.clone(), effects, starters };
    let starter = Starter { project: start.project.clone(), by: start.by.clone() };
    let handed = (parent, start.acts_for.clone());
    match begin(program, child, 0, (&input, &starter, Some(handed)), now, salt) {
        Ok(mut starting) => {
            starting.blobs.extend(blobs.iter().cloned());
            let event = Event::ChildStarted { step, child, workflow: workflow.clone(), envelope, due_at, reserved };
            Handed::Started { record: Record { event, blobs }, starting: Box::new(starting), workflow }
        }
        Err(complaints) => {
            let detail = format!(
                "what workflow `{}` hands to workflow `{workflow}` does not fit its input: {}",
                start.workflow,
                complaints.join("; ")
            );
            failed(step, Failure::inside(FailureKind::InputInvalid, detail))
        }
    }
}

/// What a run that was handed its work says with its last entry, and to which run; `None`: nobody handed it over. `state` is as it
/// was before that entry.
pub fn report(state: &RunState, last: &Record) -> Option<(RunId, Value)> {
    let parent = state.parent()?;
    let Event::RunFinished { end, result, failure } = &last.event else { return None };
    let word = match end {
        End::Completed => "completed",
        End::Failed => "failed",
        End::Cancelled => "cancelled",
    };
    let result = result.as_ref().map_or(Value::Null, |held| held_value(held, &last.blobs));
    let as_value = |json: serde_json::Value| Value::try_from(&json).unwrap_or_default();
    let failure = failure.as_ref().and_then(|failure| serde_json::to_value(failure).ok()).map(as_value);
    let spent = serde_json::to_value(state.spent.total()).map(as_value).unwrap_or_default();
    let body = Value::map([
        ("step", Value::from(parent.step.as_str())),
        ("child", Value::from(state.run.to_string())),
        ("end", Value::from(word)),
        ("result", result),
        ("failure", failure.unwrap_or_default()),
        ("facts", facts(state)),
        ("spent", spent),
    ]);
    Some((parent.run, body))
}

/// A value that an event holds, with the blobs that go with it.
pub fn held_value(held: &Held, blobs: &[Blob]) -> Value {
    match held {
        Held::Value(value) => value.clone(),
        Held::Blob(blob) => {
            let bytes = blobs.iter().find(|one| one.digest == blob.digest).map(|one| &one.bytes);
            bytes.and_then(|bytes| Value::from_json(bytes).ok()).unwrap_or_default()
        }
    }
}

/// What a run can prove: each act that was certainly performed and stands, and each `verify` step that held.
fn facts(state: &RunState) -> Value {
    let certain = |one: &&Performed| one.certain && one.writes && !one.taken_back;
    let acts = state.performed.iter().filter(certain).map(|one| {
        let resource = one.resource.as_ref().map_or(Value::Null, |resource| {
            Value::map([("type", Value::Text(resource.kind.clone())), ("id", Value::Text(resource.id.clone()))])
        });
        Value::map([
            ("step", Value::from(one.step.as_str())),
            ("performed", Value::from(format!("{}.{}", one.tool, one.operation))),
            ("resource", resource),
            ("evidence", Value::from(state.evidence_id(one.entry))),
        ])
    });
    let verified = state.verified.iter().map(|step| Value::map([("verified", Value::Text(step.clone()))]));
    Value::list(acts.chain(verified))
}

/// The end of a run that work was handed to: `{step, child, end, result, failure, facts, spent}`.
pub(super) fn reported(message: u64, body: &Value) -> Option<Record> {
    let mut blobs = Vec::new();
    let report = match body.get("end")?.as_str()? {
        "completed" => Report::Completed(Held::hold(body.get("result")?.clone(), &mut blobs)),
        "failed" => Report::Failed(serde_json::from_slice(&body.get("failure")?.to_jcs()).ok()?),
        "cancelled" => Report::Cancelled,
        _ => return None,
    };
    let event = Event::ChildReported {
        message,
        step: StepPath::new(body.get("step")?.as_str()?),
        child: body.get("child")?.as_str()?.parse().ok()?,
        report,
        facts: body.get("facts").cloned().unwrap_or_default(),
        spent: serde_json::from_slice(&body.get("spent")?.to_jcs()).ok()?,
    };
    Some(Record { event, blobs })
}
