//! `reason`: one model call, declared data in, schema-checked value out. `ModelAsked` is durable before the call and holds the
//! manifest; `ModelAnswered` holds the answer and our judgement of it. No effect is possible.

use std::sync::Arc;

use crate::{
    cache::{self, Cache, Keep},
    context::{self, Ask, Compiled, Proposed, Said},
    expr::Condition,
    governance::{
        budget::request_bytes,
        labels::{self, Trust},
    },
    ids::StepPath,
    journal::{BlobRef, Event, Held, StepResult, Usage},
    next::{Frame, Next, Record, Stop, Walk},
    recovery::{Failure, FailureKind, Phase, Response},
    routes::Whom,
    run::{Doing, Open},
    schema::Schema,
    step::{
        Kind, plan,
        turn::{self, Turning, Words},
    },
    types::Type,
    unsure::{self, Boundary, Unsure},
    values::Value,
    workflow::{Prompt, See, reading::Reading},
    yaml::Fields,
};

/// `reason: prompts/ask.md`, `model`, `see`, `output`, `check`, `unsure`, `trust`, `cache`.
#[derive(Debug)]
pub struct Reason {
    /// The ask.
    pub prompt: Prompt,
    /// The project's name for the model, or a route.
    pub model: Arc<str>,
    /// The data shown.
    pub see: Vec<See>,
    /// What the answer must fit.
    pub output: Arc<Schema>,
    /// What must hold for it besides.
    pub check: Vec<Condition>,
    /// Which valid answers go on to whom.
    pub unsure: Option<Boundary>,
    /// Which fields of the answer may be acted upon.
    pub trust: Vec<Trust>,
    /// Whether its answers are kept and used again.
    pub cache: Option<Cache>,
    /// What one call may be shown, in tokens.
    pub tokens: Option<u64>,
    /// It is asked in the turns of an agent, and proposes what it was offered.
    pub turn: Option<Turning>,
    /// The step whose plan its answer is.
    pub plans: Option<Arc<str>>,
}

impl Reason {
    pub(crate) fn begin(
        &self,
        walk: &mut Walk<'_>,
        path: &StepPath,
        frame: &Frame<'_>,
        open: Option<&Open>,
    ) -> Result<(), Stop> {
        if frame.draining() {
            return Ok(());
        }
        let attempt = open.map_or(0, |open| open.attempt) + 1;
        let named = match &self.turn {
            Some(_) => self.spoken_to(walk, path)?,
            None => self.model.clone(),
        };
        let (model, route) = match walk.whom(&named, open)? {
            Whom::Ask { model, route } => (model, route),
            Whom::Nobody { until, what } => {
                walk.wait(Some(until), || format!("{what} at `{path}`"));
                return Ok(());
            }
        };
        let compiled = context::compile(&self.ask(walk, path), walk, path, frame, attempt, &model, &repairs(open))?;
        // Who is begun again wants another answer.
        if self.cache.is_some()
            && attempt == 1
            && path.segments().all(|segment| segment.visit == 1)
            && let Some(record) = self.reused(walk, path, frame, &compiled)?
        {
            walk.push(record);
            return Ok(());
        }
        let Compiled { request, manifest, blobs } = compiled;
        if let Some((at, why)) = walk.model_is_full(path, &model)? {
            walk.wait(Some(at), || why);
            return Ok(());
        }
        let reserved = walk.reserve_ask(path, &model, || request_bytes(&request));
        let reserved = reserved.map_err(|why| Stop::Failed(why.into()))?;
        walk.push(Record {
            event: Event::ModelAsked { step: path.clone(), attempt, model, route, manifest, reserved },
            blobs,
        });
        Ok(())
    }

    /// Whether an answer that was given elsewhere is valid here.
    pub(crate) fn accepts(
        &self,
        walk: &Walk<'_>,
        path: &StepPath,
        frame: &Frame<'_>,
        value: &Value,
    ) -> Result<bool, Stop> {
        Ok(matches!(self.judge(walk, path, (0, frame), value)?, Ok(None)))
    }

    /// The answer that is kept for this request, if there is one and it is valid here.
    fn reused(
        &self,
        walk: &Walk<'_>,
        path: &StepPath,
        frame: &Frame<'_>,
        compiled: &Compiled,
    ) -> Result<Option<Record>, Stop> {
        let Some(kept) = walk.kept_answer(walk.answer_key(path.name(), compiled))? else { return Ok(None) };
        if !self.accepts(walk, path, frame, &kept.value)? {
            return Ok(None);
        }
        let mut blobs = Vec::new();
        let event = Event::AnswerReused {
            step: path.clone(),
            model: compiled.request.model.clone(),
            request: compiled.manifest.request,
            output: Held::hold(kept.value.clone(), &mut blobs),
            from: kept.source(walk.facts.now),
        };
        Ok(Some(Record { event, blobs }))
    }

    /// Under which key an answer that was accepted is kept, and until when. One that is too large for the journal is not, nor one that
    /// was repaired: nobody asks with its errors first.
    fn keeps(
        &self,
        walk: &Walk<'_>,
        path: &StepPath,
        (open, frame): (&Open, &Frame<'_>),
        answer: &StepResult,
    ) -> Result<Option<Box<Keep>>, Stop> {
        let Some(cache) = self.cache.filter(|_| repairs(Some(open)).is_empty()) else { return Ok(None) };
        if !matches!(answer, StepResult::Done(Held::Value(_))) {
            return Ok(None);
        }
        let Some(compiled) = self.asked(walk, path, frame, open)? else { return Ok(None) };
        let key = walk.answer_key(path.name(), &compiled);
        Ok(Some(Box::new(Keep { key, until: walk.facts.now + cache.ttl })))
    }

    fn ask<'a>(&'a self, walk: &Walk<'_>, path: &'a StepPath) -> Ask<'a> {
        let Reason { prompt, see, output, tokens, turn, plans, .. } = self;
        let by = turn.as_ref().map(|turn| &turn.by).or(plans.as_ref());
        let step = by.map_or(path.name(), |by| by);
        let before = plans.as_ref().and_then(|_| walk.planned_before(path));
        Ask { step, prompt, see, output: Some(output), tokens: *tokens, turn: turn.as_ref(), before }
    }

    /// Whom a turn asks: the one that spoke before, unless it is only a member of the route that the step names.
    fn spoken_to(&self, walk: &Walk<'_>, path: &StepPath) -> Result<Arc<str>, Stop> {
        let members = walk.program.routes.get(&self.model).unwrap_or_default();
        let spoke = walk.spoke_last(path)?.filter(|spoke| !members.contains(spoke));
        Ok(spoke.unwrap_or_else(|| self.model.clone()))
    }

    /// What was asked, if an answer is waited for.
    pub(crate) fn asked(
        &self,
        walk: &Walk<'_>,
        path: &StepPath,
        frame: &Frame<'_>,
        open: &Open,
    ) -> Result<Option<Compiled>, Stop> {
        if !matches!(open.doing, Doing::Asking { .. }) {
            return Ok(None);
        }
        let model = open.model.as_ref().unwrap_or(&self.model);
        let errors = repairs(Some(open));
        context::compile(&self.ask(walk, path), walk, path, frame, open.attempt, model, &errors).map(Some)
    }

    pub(crate) fn go_on(
        &self,
        walk: &mut Walk<'_>,
        open: &Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let Doing::Asking { epoch, request, .. } = &open.doing else { return Ok(()) };
        if walk.in_flight(path) || frame.draining() {
            return Ok(());
        }
        if *epoch != walk.facts.epoch {
            // The answer to what an earlier epoch asked will never come.
            return self.begin(walk, path, frame, Some(open));
        }
        let Some(Compiled { request: ready, manifest, .. }) = self.asked(walk, path, frame, open)? else {
            return Ok(());
        };
        if manifest.request != *request {
            let detail = "the request is not the one that the journal announced".to_owned();
            return Err(Stop::Failed(Failure::inside(FailureKind::Internal, detail)));
        }
        walk.then(Next::Ask(Box::new(ready)));
        Ok(())
    }

    /// What the model answered, judged, as an event.
    pub(crate) fn settle(
        &self,
        walk: &Walk<'_>,
        step: &StepPath,
        (open, frame): (&Open, &Frame<'_>),
        (answer, proposed): (Result<Value, Failure>, &[Proposed]),
        billed: (Usage, Option<BlobRef>, Said),
    ) -> Result<Record, Stop> {
        let ((usage, raw, mut said), attempt) = (billed, open.attempt);
        let mut claims = Vec::new();
        let billed = answer.as_ref().err().cloned();
        let answer = match (&self.turn, answer) {
            (Some(turn), Ok(text)) => {
                let model = open.model.as_ref().unwrap_or(&self.model);
                let words = Words::of_answer(model, &text, proposed, said.echo.take());
                match turn.refusal(&words) {
                    Some(failure) => Err(failure),
                    None => {
                        claims = match words.answer() {
                            Some(answer) => turn.claims(walk, step, answer)?,
                            None => Vec::new(),
                        };
                        Ok(words.to_value())
                    }
                }
            }
            (_, answer) => answer,
        };
        let said = (said != Said::default()).then(|| Box::new(said));
        let (spent, charged) = match &open.doing {
            Doing::Asking { at, .. } => {
                let model = open.model.as_ref().unwrap_or(&self.model);
                let (spent, charged) = walk.asked_for(step, model, *at, (&usage, billed.as_ref()));
                (spent, Some(Box::new(charged)))
            }
            _ => (None, None),
        };
        let cools = answer.as_ref().err().and_then(|failure| walk.cools(step, open, failure));
        let mut blobs = Vec::new();
        let (result, unsure) = match answer {
            Err(failure) => (StepResult::Failed(failure), None),
            Ok(value) => match (self.judge(walk, step, (had(open), frame), &value)?, turn::unproven(&claims)) {
                (Err(failure), _) | (Ok(_), Some(failure)) => (StepResult::Failed(failure), None),
                (Ok(unsure), None) => (StepResult::Done(Held::hold(value, &mut blobs)), unsure),
            },
        };
        let keeps = match &unsure {
            Some(_) => None,
            None => self.keeps(walk, step, (open, frame), &result)?,
        };
        let event = Event::ModelAnswered {
            step: step.clone(),
            attempt,
            result,
            usage,
            raw,
            spent,
            charged,
            said,
            cools,
            claims,
            unsure,
            keeps,
        };
        Ok(Record { event, blobs })
    }

    /// Whether an answer is what the step gives.
    ///
    /// # Errors
    /// Why not, in words for the person who answers.
    pub fn fits(&self, answer: &Value) -> Result<(), String> {
        self.output.validate(answer).map_err(|complaints| complaints.join("; "))
    }

    /// Why an answer fails, or whether the step is unsure of it.
    fn judge(
        &self,
        walk: &Walk<'_>,
        path: &StepPath,
        (had, frame): (u32, &Frame<'_>),
        value: &Value,
    ) -> Result<Judged, Stop> {
        let failed = |kind, detail| Err(Failure { kind, phase: Phase::Answered, detail, retry_after: None });
        if let Some(Kind::Plan(plan)) = self.plans.as_ref().and_then(|by| walk.program.step(by)).map(|step| &step.kind)
        {
            return Ok(plan.refusal(walk, path, frame, value)?.map_or(Ok(None), Err));
        }
        let words = self.turn.as_ref().map(|_| Words::of_value(value));
        let value = match &words {
            None => value,
            Some(words) => match words.answer() {
                Some(answer) => answer,
                // What it proposes is judged when its turn comes.
                None => return Ok(Ok(None)),
            },
        };
        if let Err(complaints) = self.output.validate(value) {
            return Ok(failed(FailureKind::InvalidOutput, complaints.join("; ")));
        }
        let frame = frame.with_own("output", value);
        for check in &self.check {
            match walk.holds(check, &frame) {
                Ok(true) => {}
                Ok(false) => return Ok(failed(FailureKind::BadReasoning, format!("`{}` is false", check.source()))),
                Err(Stop::Failed(failure)) => return Ok(failed(FailureKind::BadReasoning, failure.detail)),
                Err(look) => return Err(look),
            }
        }
        match walk.doubts(self, had, &frame) {
            Ok(unsure) => Ok(Ok(unsure)),
            Err(Stop::Failed(failure)) => Ok(failed(FailureKind::BadReasoning, failure.detail)),
            Err(look) => Err(look),
        }
    }
}

/// Whether the step is unsure of a valid answer, or why it is none.
type Judged = Result<Option<Box<Unsure>>, Failure>;

/// How many items of what follows an unsure answer had their turn.
fn had(open: &Open) -> u32 {
    open.doubt.as_ref().map_or(0, |doubt| doubt.had)
}

/// The errors that a repair shows to the model: those since the step was last begun afresh.
fn repairs(open: Option<&Open>) -> Vec<&str> {
    let Some(open) = open else { return Vec::new() };
    let answered = open.answered_since().iter().rev().take_while(|(_, response)| !matches!(response, Response::Replan));
    let mut errors: Vec<&str> = answered
        .filter(|(_, response)| matches!(response, Response::Repair))
        .map(|(failure, _)| plan::in_words(failure))
        .collect();
    errors.reverse();
    errors
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 8] = ["reason", "model", "see", "output", "check", "unsure", "trust", "budget"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Reason, Type)> {
    let cache = fields.get("cache").filter(|cache| !cache::has_key(cache)).map(|node| cache::exact(node, reading));
    let (reason, ty) = read_ask(fields, "reason", reading)?;
    let cache = match cache {
        Some(cache) => Some(cache?),
        None => None,
    };
    Some((Reason { cache, ..reason }, ty))
}

/// Reads what is asked, by the prompt under `key`.
pub(crate) fn read_ask(fields: &Fields<'_>, key: &str, reading: &mut Reading<'_>) -> Option<(Reason, Type)> {
    let (see, types) = reading.see(fields);
    let prompt = reading.prompt(fields.get(key)?, &types);
    let tokens = reading.call_budget(fields);
    let model = fields.required("model", &mut reading.complaints).and_then(|node| reading.model(node));
    let output = fields.required("output", &mut reading.complaints).and_then(|node| reading.schema(node));
    let ty = output.as_ref().map_or(Type::Any, |schema| schema.ty().clone());
    reading.enter([("output".into(), ty.clone())]);
    let checks: Vec<_> =
        fields.list("check", &mut reading.complaints).iter().map(|node| reading.condition(node)).collect();
    let unsure = fields.get("unsure").map(|node| unsure::read(node, reading));
    reading.leave();
    if let Some(name) = fields.get("step").and_then(|node| node.scalar()) {
        reading.output_is(name);
    }
    let unsure = match unsure {
        Some(unsure) => Some(unsure?),
        None => None,
    };
    let trust = labels::read_trust(fields, output.as_deref(), reading);
    let check = checks.into_iter().collect::<Option<Vec<_>>>()?;
    let (prompt, model, output, trust) = (prompt?, model?, output?, trust?);
    Some((
        Reason { prompt, model, see, output, check, unsure, trust, cache: None, tokens, turn: None, plans: None },
        ty,
    ))
}
