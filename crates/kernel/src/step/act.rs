//! `act`: one governed action on a tool. Proposal → verdict → intent (`ActionStarted`, durable before the call) → outcome
//! (`ActionFinished`). A denial is `ActionJudged`. After a crash the intent is sent again (`ActionResent`): same bytes, same key.

use std::sync::Arc;

use crate::{
    complaint::did_you_mean,
    expr::Template,
    governance::{self, Effect, Permit, Proposal, Verdict},
    ids::{IdempotencyKey, StepPath},
    journal::{BlobRef, Event, Held, StepResult},
    next::{Frame, Next, Record, Stop, Walk},
    recovery::{Failure, FailureKind, Phase},
    run::{Doing, Open},
    schema::Schema,
    types::Type,
    values::Value,
    workflow::reading::Reading,
    yaml::Fields,
};

/// `act: tool.operation`, `with`.
#[derive(Debug)]
pub struct Act {
    /// The tool file's name.
    pub tool: Arc<str>,
    /// Its operation.
    pub operation: Arc<str>,
    /// As the tool file declares it.
    pub effect: Effect,
    /// The arguments.
    pub with: Option<Template>,
    /// What the arguments must fit.
    pub params: Option<Arc<Schema>>,
    /// What the answer must fit.
    pub returns: Option<Arc<Schema>>,
}

impl Act {
    pub(crate) fn begin(&self, walk: &mut Walk<'_>, path: &StepPath, frame: &Frame<'_>) -> Result<(), Stop> {
        let with = match &self.with {
            Some(with) => walk.evaluate(with, frame)?,
            None => Value::map::<&str>([]),
        };
        if let Some(params) = &self.params
            && let Err(complaints) = params.validate(&with)
        {
            let detail = format!("the arguments of `{}.{}`: {}", self.tool, self.operation, complaints.join("; "));
            return Err(Stop::Failed(Failure::inside(FailureKind::InvalidArguments, detail)));
        }
        let mut blobs = Vec::new();
        let proposal = Proposal {
            tool: self.tool.clone(),
            operation: self.operation.clone(),
            effect: self.effect,
            with: Held::hold(with, &mut blobs),
        };
        let verdict = governance::judge(&proposal, (&self.tool, &self.operation));
        let step = path.clone();
        let event = match verdict {
            Verdict::Deny { .. } => Event::ActionJudged { step, proposal, verdict },
            Verdict::Allow { .. } => {
                let key = IdempotencyKey::derive(walk.state.run, path, 0);
                Event::ActionStarted { step, attempt: 1, proposal, verdict, key }
            }
        };
        walk.push(Record { event, blobs });
        Ok(())
    }

    pub(crate) fn go_on(
        &self,
        walk: &mut Walk<'_>,
        open: &Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let Doing::Acting(acting) = &open.doing else { return Ok(()) };
        if walk.in_flight(path) {
            return Ok(());
        }
        if acting.open && acting.epoch == walk.facts.epoch {
            let with = walk.unhold(&acting.proposal.with)?;
            let permit =
                Permit::new(walk.state.run, path.clone(), open.attempt, &acting.proposal, &with, acting.key.clone());
            walk.then(Next::Call(permit));
        } else if acting.open || !frame.draining() {
            // An open intent of an earlier epoch must learn its outcome even while the run is stopping.
            walk.record(Event::ActionResent { step: path.clone(), attempt: open.attempt + 1 });
        }
        Ok(())
    }

    /// What the tool answered, as an event.
    pub(crate) fn settle(
        &self,
        step: &StepPath,
        open: &Open,
        answer: Result<Value, Failure>,
        raw: Option<BlobRef>,
    ) -> Record {
        let answer = answer.map_err(|failure| self.doubted(open, failure));
        let checked = answer.and_then(|value| match &self.returns {
            Some(schema) => match schema.validate(&value) {
                Ok(()) => Ok(value),
                Err(complaints) => {
                    let detail = format!(
                        "`{}.{}` answered against its schema: {}",
                        self.tool,
                        self.operation,
                        complaints.join("; ")
                    );
                    let kind = FailureKind::ContractViolated;
                    Err(Failure { kind, phase: Phase::Answered, detail, retry_after: None })
                }
            },
            None => Ok(value),
        });
        let mut blobs = Vec::new();
        let result = match checked {
            Ok(value) => StepResult::Done(Held::hold(value, &mut blobs)),
            Err(failure) => StepResult::Failed(failure),
        };
        let attempt = open.attempt;
        Record { event: Event::ActionFinished { step: step.clone(), attempt, result, raw }, blobs }
    }

    /// A rejection speaks for its own sending only: if an earlier one may have arrived, the outcome is unknown (the model
    /// checker's "recorded failed, yet performed").
    fn doubted(&self, open: &Open, failure: Failure) -> Failure {
        let known = open.answered.iter().filter(|(before, _)| before.phase != Phase::MaybeSent).count();
        let earlier = open.attempt.saturating_sub(1) as usize;
        if self.effect == Effect::Read || failure.kind != FailureKind::ToolRejected || known >= earlier {
            return failure;
        }
        Failure {
            kind: FailureKind::UnknownOutcome,
            phase: Phase::MaybeSent,
            detail: format!(
                "an earlier sending may have been performed; sending {} was rejected: {}",
                open.attempt, failure.detail
            ),
            retry_after: failure.retry_after,
        }
    }
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 2] = ["act", "with"];
/// Documented keys of later versions.
pub(crate) const LATER: [&str; 2] = ["undo", "done_when"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Act, Type)> {
    let node = fields.get("act")?;
    let text = node.text(&mut reading.complaints)?;
    let found = operation(&text, node, reading);
    let with = fields.get("with").map(|node| (node, reading.template(node)));
    let (tool, name, effect, params, returns) = found?;
    let with = match with {
        Some((_, None)) => return None,
        Some((node, Some(with))) => Some((node, with)),
        None => None,
    };
    if let Some(params) = &params {
        let none = Type::object::<&str>([]);
        let given = with.as_ref().map_or(&none, |(_, (_, ty))| ty);
        if let Some(why) = params.ty().refusal(given) {
            let at = with.as_ref().map_or(node, |(node, _)| node);
            let message = format!("`with` does not fit the arguments of `{text}`: {why}");
            reading.complaints.push(at.complaint("W027", message));
            return None;
        }
    }
    let ty = returns.as_ref().map_or(Type::Any, |schema| schema.ty().clone());
    let with = with.map(|(_, (with, _))| with);
    Some((Act { tool, operation: name, effect, with, params, returns }, ty))
}

type Found = (Arc<str>, Arc<str>, Effect, Option<Arc<Schema>>, Option<Arc<Schema>>);

fn operation(text: &str, node: &crate::yaml::Node, reading: &mut Reading<'_>) -> Option<Found> {
    let Some((tool, name)) = text.split_once('.') else {
        let message = format!("`{text}` names no operation");
        reading.complaints.push(node.complaint("W028", message).hint("write it as `tool.operation`"));
        return None;
    };
    if reading.broken.contains(tool) || reading.broken.contains(text) {
        return None;
    }
    let Some(found) = reading.tools.get(tool).cloned() else {
        let hint = did_you_mean(tool, reading.tools.keys().map(|name| &**name));
        reading.complaints.push(node.complaint("W028", format!("there is no tool `{tool}`")).or_hint(hint));
        return None;
    };
    let Some(operation) = found.operations.get(name) else {
        let hint = did_you_mean(name, found.operations.keys().map(|name| &**name));
        let message = format!("the tool `{tool}` has no operation `{name}`");
        reading.complaints.push(node.complaint("W028", message).or_hint(hint));
        return None;
    };
    Some((found.name.clone(), name.into(), operation.effect, operation.params.clone(), operation.returns.clone()))
}
