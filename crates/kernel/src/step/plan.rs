//! `plan`: a model writes a list of actions, and nothing of it is done before all of it was looked at. `PlanOpened` opens the step.
//! The model is asked (`work[0]/ask`); what it wrote is validated and judged before it is an answer. `PlanFrozen` (`work[0]/plan`)
//! says what will be done, and what the rules of that moment say of it. People may be asked (`work[0]/review`). Then each action is
//! an act of its own (`work[0]/call1`, …), in order, judged again at its moment; `StepDone` closes the step.
//!
//! A yes to a plan says that it may begin. It is no yes to an action that a rule puts before people: they are asked when its turn comes.

mod read;
mod written;

use std::sync::Arc;

pub(crate) use self::read::{KEYS, LATER, read};
use self::written::Written;
use super::{
    Kind, Step,
    proposals::{Granted, call_name},
    reason::Reason,
    turn,
};
use crate::{
    action::Judged,
    context::Proposed,
    expr::Condition,
    governance::budget::{Amounts, act},
    ids::StepPath,
    journal::{Event, Held},
    next::{Frame, Inner, Record, Steps, Stop, Walk, Walked},
    recovery::{Failure, FailureKind, Phase},
    run::{ASK, Doing, Open, Slot, Talk},
    values::Value,
};

/// What freezes the plan.
pub(crate) const FROZEN: &str = "plan";
/// What puts it before people.
pub(crate) const REVIEW: &str = "review";

/// `plan: prompts/plan.md`, `model`, `see`, `tools`, `limits`, `review`.
#[derive(Debug)]
pub struct Plan {
    /// What asks its model: a `reason` step whose answer is a plan.
    pub ask: Step,
    /// What may be planned.
    pub granted: Vec<Granted>,
    /// At most so many actions.
    pub actions: u32,
    /// Who looks at it before anything is done.
    pub review: Option<Review>,
}

/// `review: { by, when }`.
#[derive(Debug)]
pub struct Review {
    /// What asks people.
    pub step: Step,
    /// Whether they are asked; `None`: always.
    pub when: Option<Condition>,
}

impl Plan {
    /// What is asked.
    pub fn asks(&self) -> &Reason {
        match &self.ask.kind {
            Kind::Reason(reason) => reason,
            _ => unreachable!("a plan is asked for with a `reason` step: held by the reader"),
        }
    }

    /// A step of its turn that a name alone tells.
    pub(crate) fn inner(&self, name: &str) -> Option<&Step> {
        match name {
            ASK => Some(&self.ask),
            REVIEW => self.review.as_ref().map(|review| &review.step),
            _ => None,
        }
    }

    pub(crate) fn begin(&self, walk: &mut Walk<'_>, path: &StepPath, frame: &Frame<'_>) {
        if !frame.draining() {
            walk.record(Event::PlanOpened { step: path.clone() });
        }
    }

    pub(crate) fn go_on<'a>(
        &'a self,
        walk: &mut Walk<'a>,
        open: &'a Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let Doing::Talking(talk) = &open.doing else { return Ok(()) };
        let steps = &talk.body.steps;
        if let Some(failure) = &steps.failed {
            return Err(Stop::Failed(failure.clone()));
        }
        let inner = self.body(walk, talk, path)?;
        let Some(written) = self.written(walk, talk)? else {
            return into(walk.body(Some(&talk.body), frame, &inner));
        };
        let Some(frozen) = frozen(walk, talk)? else {
            return if frame.draining() { Ok(()) } else { self.freeze(walk, (&inner, open.visit), frame, &written) };
        };
        let over = steps.over as usize;
        if over >= inner.steps.len() {
            return if frame.draining() { Ok(()) } else { self.close(walk, (path, talk), &inner, &written, &frozen) };
        }
        if let Some(when) = self.review.as_ref().and_then(|review| review.when.as_ref())
            && over == 2
            && steps.open.is_none()
            && !walk.holds(when, &frame.with_own("plan", &frozen))?
        {
            if !frame.draining() {
                let step = StepPath::new(format!("{}/{REVIEW}", inner.path));
                walk.record(Event::StepSkipped { step });
            }
            return Ok(());
        }
        into(walk.body(Some(&talk.body), frame, &inner))
    }

    /// What is done in its turn: the model is asked, the plan frozen, people asked, then each action.
    pub(crate) fn body<'a>(&'a self, walk: &Walk<'_>, talk: &Talk, path: &StepPath) -> Result<Inner<'a>, Stop> {
        let mut steps = vec![(Arc::from(ASK), Some(&self.ask)), (FROZEN.into(), None)];
        steps.extend(self.review.as_ref().map(|review| (REVIEW.into(), Some(&review.step))));
        if let Some(written) = self.written(walk, talk)? {
            let call = |(place, one): (usize, &written::Action)| {
                (call_name(place), self.named(&one.act).map(|granted| &granted.step))
            };
            steps.extend(written.actions.iter().enumerate().map(call));
        }
        Ok(Inner {
            path: format!("{path}[{}]", talk.turn),
            steps: Steps::Proposed(steps),
            named: None,
            item: None,
            index: None,
            drain: false,
        })
    }

    fn named(&self, action: &str) -> Option<&Granted> {
        self.granted.iter().find(|one| *one.action() == *action)
    }

    /// The plan, once its model wrote it.
    fn written(&self, walk: &Walk<'_>, talk: &Talk) -> Result<Option<Written>, Stop> {
        let Some(said) = talk.said() else { return Ok(None) };
        let written = Written::read(&walk.unhold(said)?, &self.granted, self.actions);
        written.map(Some).map_err(|wrong| Stop::Failed(Failure::inside(FailureKind::Internal, wrong.join("; "))))
    }

    /// Action number `place` of a plan, from 0, with what its model says of it.
    pub(crate) fn proposal(&self, said: &Value, place: usize) -> Option<(String, Proposed)> {
        let written = Written::read(said, &self.granted, self.actions).ok()?;
        let one = written.actions.get(place)?;
        Some((format!("{}\n{}: {}", written.goal, one.id, one.why), one.proposed(self.named(&one.act)?)))
    }

    /// Why what a model wrote is no plan that may begin.
    pub(crate) fn refusal(
        &self,
        walk: &Walk<'_>,
        ask: &StepPath,
        frame: &Frame<'_>,
        said: &Value,
    ) -> Result<Option<Failure>, Stop> {
        let failed = |kind, detail| Ok(Some(Failure { kind, phase: Phase::Answered, detail, retry_after: None }));
        let written = match Written::read(said, &self.granted, self.actions) {
            Ok(written) => written,
            Err(wrong) => return failed(FailureKind::InvalidOutput, wrong.join("; ")),
        };
        let turn = ask.as_str().rsplit_once('/').map_or("", |(turn, _)| turn);
        match self.foresee(walk, turn, frame, &written) {
            Ok(_) => Ok(None),
            Err(Stop::Look(queries)) => Err(Stop::Look(queries)),
            Err(Stop::Failed(why)) if why.kind == FailureKind::PermissionDenied => failed(why.kind, why.detail),
            Err(Stop::Failed(why)) => failed(FailureKind::InvalidOutput, why.detail),
        }
    }

    /// What the rules of now say of each action, as data; fails if one is denied.
    fn foresee(&self, walk: &Walk<'_>, turn: &str, frame: &Frame<'_>, written: &Written) -> Result<Vec<Value>, Stop> {
        let (mut rows, mut denied, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for (place, one) in written.actions.iter().enumerate() {
            let Some(granted) = self.named(&one.act) else { continue };
            let at = StepPath::new(format!("{turn}/{}", call_name(place)));
            let (judged, says) = match granted.act().foresee(walk, &at, frame, &one.with) {
                Ok(found) => found,
                Err(Stop::Look(queries)) => {
                    missing.extend(queries);
                    continue;
                }
                Err(Stop::Failed(why)) => {
                    let detail = format!("action `{}`: {}", one.id, why.detail);
                    return Err(Stop::Failed(Failure { detail, ..why }));
                }
            };
            let (verdict, rule, groups) = match judged {
                Judged::Start(verdict, _) => ("allow", verdict.rule().to_string(), Vec::new()),
                Judged::Ask(verdict, _, terms) => ("ask", verdict.rule().to_string(), terms.groups),
                Judged::Held(scope, _) => ("held", scope.to_string(), Vec::new()),
                Judged::Blocked => ("held", "forked".to_owned(), Vec::new()),
                Judged::Deny(verdict, _) => {
                    denied.push((one.id.clone(), verdict));
                    continue;
                }
            };
            let groups = groups.into_iter().map(|group| Value::list(group.into_iter().map(Value::Text)));
            rows.push(Value::map([
                ("id", Value::Text(one.id.clone())),
                ("act", Value::Text(one.act.clone())),
                ("says", Value::from(says.as_str())),
                ("verdict", Value::from(verdict)),
                ("rule", Value::from(rule.as_str())),
                ("groups", Value::list(groups)),
            ]));
        }
        if !missing.is_empty() {
            return Err(Stop::Look(missing));
        }
        if denied.is_empty() {
            return Ok(rows);
        }
        // What stands before the colon is all that the model is told.
        let ids: Vec<String> = denied.iter().map(|(id, _)| format!("`{id}`")).collect();
        let why: Vec<String> = denied.iter().map(|(id, verdict)| format!("{id} by {}", verdict.rule())).collect();
        let detail = format!("not permitted, actions {}: {}", ids.join(", "), why.join(", "));
        Err(Stop::Failed(Failure::inside(FailureKind::PermissionDenied, detail)))
    }

    /// Nothing of the plan changes any more: what it will do, what the rules say of it now, and what it costs at most.
    fn freeze(
        &self,
        walk: &mut Walk<'_>,
        (inner, version): (&Inner<'_>, u32),
        frame: &Frame<'_>,
        written: &Written,
    ) -> Result<(), Stop> {
        let rows = self.foresee(walk, &inner.path, frame, written)?;
        let mut max = Amounts::NOTHING;
        let mut writes = 0_i64;
        for granted in written.actions.iter().filter_map(|one| self.named(&one.act)) {
            let declared = granted.act().declared();
            let one = act(declared.cost, declared.timeout);
            max = Amounts {
                money_uusd: max.money_uusd.saturating_add(one.money_uusd),
                tokens: max.tokens.saturating_add(one.tokens),
                calls: max.calls.saturating_add(one.calls),
                time_us: 0,
            };
            writes += i64::from(granted.writes());
        }
        if let Some(limit) = walk.own_limit() {
            walk.spent.fits(&limit, &max).map_err(|why| Stop::Failed(why.into()))?;
        }
        let asks = rows.iter().filter(|row| row.get("verdict").and_then(Value::as_str) == Some("ask")).count();
        let count = |count: usize| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        let digest = written.digest();
        let frozen = Value::map([
            ("version", Value::Int(i64::from(version))),
            ("digest", Value::from(digest.to_string())),
            ("actions", count(written.actions.len())),
            ("writes", Value::Int(writes)),
            ("asks", count(asks)),
            // Rounded up, so that nothing looks cheaper than it is.
            ("cost_cents", Value::Int(max.money_uusd / 10_000 + i64::from(max.money_uusd % 10_000 > 0))),
            ("foreseen", Value::list(rows)),
        ]);
        let mut blobs = Vec::new();
        let output = Held::hold(frozen, &mut blobs);
        let step = StepPath::new(format!("{}/{FROZEN}", inner.path));
        walk.push(Record { event: Event::PlanFrozen { step, version, digest, max, output }, blobs });
        Ok(())
    }

    /// All actions are done.
    fn close(
        &self,
        walk: &mut Walk<'_>,
        (path, talk): (&StepPath, &Talk),
        inner: &Inner<'_>,
        written: &Written,
        frozen: &Value,
    ) -> Result<(), Stop> {
        let mut results = Vec::new();
        for (place, one) in written.actions.iter().enumerate() {
            let name = call_name(place);
            let value = match talk.body.values.get(&name) {
                Some(Slot::Gave(held)) => walk.unhold(held)?,
                _ => Value::Null,
            };
            let at = StepPath::new(format!("{}/{name}", inner.path));
            let done = walk.state.performed.iter().rev().find(|done| done.step == at);
            let evidence = done.map(|done| turn::evidence(walk, done)).unwrap_or_default();
            results.push(Value::map([
                ("id", Value::Text(one.id.clone())),
                ("act", Value::Text(one.act.clone())),
                ("value", value),
                ("evidence", Value::from(evidence.as_str())),
            ]));
        }
        let Value::Map(plan) = written.to_value() else { return Ok(()) };
        let known = ["version", "digest"].map(|key| (Arc::from(key), frozen.get(key).cloned().unwrap_or_default()));
        let plan = Value::map(plan.iter().map(|(key, value)| (key.clone(), value.clone())).chain(known));
        let mut blobs = Vec::new();
        let output = Held::hold(Value::map([("plan", plan), ("results", Value::list(results))]), &mut blobs);
        walk.push(Record { event: Event::StepDone { step: path.clone(), output }, blobs });
        Ok(())
    }
}

/// What a model is told of a failure of its plan: a denial says nothing of the rules.
pub(crate) fn in_words(failure: &Failure) -> &str {
    match failure.kind {
        FailureKind::PermissionDenied => failure.detail.split_once(": ").map_or("not permitted", |(words, _)| words),
        _ => &failure.detail,
    }
}

/// What was said when the plan was frozen, once it was.
fn frozen(walk: &Walk<'_>, talk: &Talk) -> Result<Option<Value>, Stop> {
    match talk.body.values.get(FROZEN) {
        Some(Slot::Gave(held)) => walk.unhold(held).map(Some),
        _ => Ok(None),
    }
}

impl Walk<'_> {
    /// The plan that the review at `path` is about: what is asked, what people are shown, and what its model says of it.
    pub(crate) fn plan_in_review(&self, path: &StepPath) -> Result<(String, Value, String), Stop> {
        let gone = || {
            let detail = format!("no plan stands for `{path}`");
            Stop::Failed(Failure::inside(FailureKind::Internal, detail))
        };
        let (step, _, talk) = self.state.talk_of(path).ok_or_else(gone)?;
        let Some(Kind::Plan(plan)) = self.program.step(step.name()).map(|step| &step.kind) else { return Err(gone()) };
        let (written, frozen) = (plan.written(self, talk)?.ok_or_else(gone)?, frozen(self, talk)?.ok_or_else(gone)?);
        let Some(Value::List(rows)) = frozen.get("foreseen") else { return Err(gone()) };
        let row = |(place, row): (usize, &Value)| {
            let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
            let then = match text("verdict") {
                "allow" => String::new(),
                verdict => format!(" [{verdict}: {}]", text("rule")),
            };
            format!("{}. {}{then}", place + 1, text("says"))
        };
        let number = |key: &str| if let Some(Value::Int(number)) = frozen.get(key) { *number } else { 0 };
        let cents = number("cost_cents");
        let says = format!(
            "Carry out version {} of the plan of `{}`: {} actions, {} of them writing, for at most ${}.{:02}: {}",
            number("version"),
            step.name(),
            number("actions"),
            number("writes"),
            cents / 100,
            cents % 100,
            rows.iter().enumerate().map(row).collect::<Vec<_>>().join("; ")
        );
        let words = written.in_words();
        Ok((says, Value::map([("plan", written.to_value()), ("frozen", frozen)]), words))
    }

    /// What a plan's model is told of the visit before: what ended it, and what was done and stands.
    pub(crate) fn planned_before(&self, path: &StepPath) -> Option<String> {
        let (step, open, _) = self.state.talk_of(path)?;
        if open.visit < 2 {
            return None;
        }
        let ended = open.answered.last().map(|(failure, _)| {
            // What a tool said comes from outside, and its labels are none of the plan's: only its kind is told.
            let why = match failure.kind {
                FailureKind::ApprovalRejected | FailureKind::ApprovalExpired | FailureKind::BudgetExceeded => {
                    format!(": {}", failure.detail)
                }
                _ => String::new(),
            };
            format!("An earlier plan of this work was not carried out to its end: {}{why}", failure.kind)
        });
        let done: Vec<String> = turn::acts_of(self, &step)
            .map(|one| format!("- {}, evidence: {}", turn::called(one), turn::evidence(self, one)))
            .collect();
        let done = match done.is_empty() {
            true => "Nothing of it was done.".to_owned(),
            false => format!("This was done, and stands:\n{}", done.join("\n")),
        };
        Some(ended.into_iter().chain([done]).collect::<Vec<_>>().join("\n"))
    }
}

fn into(walked: Walked) -> Result<(), Stop> {
    match walked {
        Walked::Failed(failure) => Err(Stop::Failed(failure)),
        Walked::Over | Walked::Busy => Ok(()),
    }
}
