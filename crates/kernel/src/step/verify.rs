//! `verify`: a claim is proven, or the step fails with `unsupported_claim`. With `by` it is a read like any other, governed and
//! recorded (`ActionStarted`, `ActionFinished` with the proof); without, a condition over values (`ClaimVerified`).

use std::sync::Arc;

use crate::{
    complaint::Complaint,
    expr::Condition,
    governance::Effect,
    ids::StepPath,
    journal::{BlobRef, Event, Proof, StepResult},
    next::{Frame, Record, Stop, Walk},
    recovery::{Failure, FailureKind, Phase},
    run::{Doing, Open},
    step::{
        act::{self, Act},
        decide::shown,
    },
    types::Type,
    values::{Map, Value},
    workflow::reading::Reading,
    yaml::Fields,
};

/// `verify: { proves, by, with, holds }`.
#[derive(Debug)]
pub struct Verify {
    /// The step whose claim is proven.
    pub proves: Option<Arc<str>>,
    /// What is read for it; `None`: nothing outside.
    pub read: Option<Act>,
    /// What must hold, of the `answer` and of everything in scope.
    pub holds: Condition,
}

/// The name of what was read, in `holds`.
const ANSWER: &str = "answer";

impl Verify {
    pub(crate) fn begin(
        &self,
        walk: &mut Walk<'_>,
        path: &StepPath,
        frame: &Frame<'_>,
        open: Option<&Open>,
    ) -> Result<(), Stop> {
        if let Some(proven) = &self.proves
            && !frame.gave(proven)
        {
            let detail = format!("`{proven}` gave nothing: there is nothing to prove");
            return Err(Stop::Failed(Failure::inside(FailureKind::UnsupportedClaim, detail)));
        }
        if let Some(read) = &self.read {
            return read.begin(walk, path, frame, open);
        }
        let proof = self.proof(walk, path, frame, None)?;
        if !proof.verified {
            return Err(Stop::Failed(self.unsupported(&proof, Phase::Inside)));
        }
        walk.record(Event::ClaimVerified { step: path.clone(), proof });
        Ok(())
    }

    pub(crate) fn go_on(
        &self,
        walk: &mut Walk<'_>,
        open: &Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        match &self.read {
            Some(read) => read.go_on(walk, open, path, frame),
            None => Ok(()),
        }
    }

    /// What was read, as an event; `None` if nobody waits for it.
    pub(crate) fn settle(
        &self,
        walk: &Walk<'_>,
        path: &StepPath,
        (open, frame): (&Open, &Frame<'_>),
        attempt: u32,
        answer: Result<Value, Failure>,
        raw: Option<BlobRef>,
    ) -> Result<Option<Record>, Stop> {
        let Some(read) = &self.read else { return Ok(None) };
        let said = answer.as_ref().ok().cloned();
        let Some(mut record) = read.settle(walk, path, (open, frame), attempt, answer, raw)? else { return Ok(None) };
        let (Some(said), Event::ActionFinished { result, proof, .. }) = (said, &mut record.event) else {
            return Ok(Some(record));
        };
        if matches!(result, StepResult::Failed(_)) {
            return Ok(Some(record));
        }
        let entry = if let Doing::Acting(acting) = &open.doing { Some(acting.entry) } else { None };
        let found = match self.proof(walk, path, &frame.with_own(ANSWER, &said), entry) {
            Ok(found) => found,
            Err(Stop::Failed(failure)) => {
                *result = StepResult::Failed(failure);
                return Ok(Some(record));
            }
            Err(look) => return Err(look),
        };
        if !found.verified {
            *result = StepResult::Failed(self.unsupported(&found, Phase::Answered));
        }
        *proof = Some(Box::new(found));
        Ok(Some(record))
    }

    fn proof(&self, walk: &Walk<'_>, path: &StepPath, frame: &Frame<'_>, read: Option<u64>) -> Result<Proof, Stop> {
        let roots = self.holds.roots();
        let mut saw = Map::new();
        for (root, value) in roots.iter().zip(walk.gather(roots, frame)?) {
            saw.entry(root.name.clone()).or_insert_with(|| shown(value));
        }
        let proven = self.proves.iter().flat_map(|step| walk.state.evidence_of(step, path));
        let mut evidence: Vec<u64> = proven.chain(read).collect();
        if self.proves.is_none() && read.is_none() {
            evidence.extend(roots.iter().flat_map(|root| walk.state.evidence_of(&root.name, path)));
        }
        evidence.sort_unstable();
        evidence.dedup();
        Ok(Proof {
            proves: self.proves.clone(),
            holds: self.holds.source().into(),
            verified: walk.holds(&self.holds, frame)?,
            saw: if saw.is_empty() { Value::Null } else { Value::Map(Arc::new(saw)) },
            evidence,
        })
    }

    fn unsupported(&self, proof: &Proof, phase: Phase) -> Failure {
        let what = self.proves.as_ref().map_or_else(String::new, |step| format!("`{step}` is not proven: "));
        let of = self
            .read
            .as_ref()
            .map_or_else(String::new, |read| format!(" of the answer of `{}.{}`", read.tool.name, read.operation));
        let detail = format!("{what}`{}` does not hold{of}", proof.holds);
        Failure { kind: FailureKind::UnsupportedClaim, phase, detail, retry_after: None }
    }
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 1] = ["verify"];

/// What stands under it.
const INSIDE: [&str; 4] = ["proves", "by", "with", "holds"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Verify, Type)> {
    let fields = Fields::new(fields.get("verify")?, "`verify`", &INSIDE, &[], &mut reading.complaints)?;
    let proves = match fields.opt_text("proves", &mut reading.complaints) {
        Some(step) if !reading.is_step(&step) => {
            let node = fields.get("proves").unwrap_or(fields.node);
            let message = format!("no step `{step}` can be seen from here");
            let hint = "`proves` names a step that stands above, whose value this step could read";
            reading.complaints.push(node.complaint("W111", message).hint(hint));
            return None;
        }
        proves => proves,
    };
    let (read, answer) = match fields.get("by") {
        None => {
            if let Some(with) = fields.key("with") {
                let message = "`with` are the arguments of `by`, which is not here";
                reading.complaints.push(Complaint::new("W003", &fields.node.file, with.span, message));
                return None;
            }
            (None, None)
        }
        Some(node) => {
            let (read, answer) = act::call(node, fields.get("with"), reading)?;
            let effect = read.declared().effect;
            if effect != Effect::Read {
                let message =
                    format!("`{}.{}` is `{}`, and a proof only reads", read.tool.name, read.operation, effect.as_str());
                reading.complaints.push(node.complaint("W110", message));
                return None;
            }
            (Some(read), Some((ANSWER.into(), answer)))
        }
    };
    let holds = fields.required("holds", &mut reading.complaints)?;
    reading.enter(answer);
    let holds = reading.condition(holds);
    reading.leave();
    let ty = Type::object([("verified", Type::Bool), ("evidence", Type::list(Type::TEXT))]);
    Some((Verify { proves, read, holds: holds? }, ty))
}
