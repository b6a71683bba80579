//! What people and other systems say while a run rests, in order.

use std::{collections::BTreeSet, sync::Arc};

use kernel::{
    governance::approval::{By, Decision, Vote, admit},
    ids::StepPath,
    journal::Event,
    next::{self, Record},
    step::Kind,
    values::{Span, Timestamp, Value},
};

use super::{Asked, Trial};

/// One thing that somebody says.
#[derive(Clone, Debug)]
pub(crate) struct Says {
    pub by: Arc<str>,
    pub what: What,
    /// So long after it was asked for.
    pub after: Option<Span>,
    /// It is not taken: that is what the case shows.
    pub refused: bool,
    /// Where it stands, for complaints: `cases/a.yaml:7`.
    pub at: Arc<str>,
}

/// What somebody says.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A decision about what the step asks.
    Vote(Arc<str>, Decision),
    /// An answer: to a question, or the result of work.
    Answer(Arc<str>, Value),
    /// What became of an action whose outcome is not known.
    Resolve { step: Arc<str>, resolution: &'static str, output: Value, external_id: Option<Arc<str>>, reason: Arc<str> },
    /// A signal.
    Signal(Arc<str>, Value),
    /// `pause`, `resume`, `cancel`.
    Control(&'static str, Value),
    /// The run's own budget: unit and limit.
    Raise(Arc<str>, i64),
}

/// Everything that is said, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct People {
    pub says: Vec<Says>,
    /// So many were said.
    pub said: usize,
    /// Time passes also while somebody is asked.
    pub patient: bool,
    /// Steps whose question nobody answers: time passes over them.
    pub ignored: BTreeSet<StepPath>,
    since: Option<Timestamp>,
}

impl People {
    /// Says these, and lets time pass afterwards if `patient`.
    pub(crate) fn new(says: Vec<Says>, patient: bool) -> People {
        People { says, said: 0, patient, ignored: BTreeSet::new(), since: None }
    }

    /// Whether nothing more is said.
    pub(crate) fn is_silent(&self) -> bool {
        self.said >= self.says.len()
    }

    /// What nobody had the occasion to say.
    pub(crate) fn unsaid(&self) -> &[Says] {
        self.says.get(self.said..).unwrap_or_default()
    }
}

impl What {
    /// The step that it is about.
    fn step(&self) -> Option<&Arc<str>> {
        match self {
            What::Vote(step, _) | What::Answer(step, _) | What::Resolve { step, .. } => Some(step),
            What::Signal(..) | What::Control(..) | What::Raise(..) => None,
        }
    }
}

impl Trial<'_> {
    /// Lets the next of the people speak, if it is time. `true`: something was said, or time passed until it will be.
    pub(super) fn hear(&mut self, people: &mut People, until: Option<Timestamp>) -> Result<bool, String> {
        let Some(says) = people.says.get(people.said).cloned() else { return Ok(false) };
        let Some(target) = self.target(&says.what) else { return Ok(false) };
        let since = *people.since.get_or_insert(self.now);
        let due = says.after.map_or(since, |after| since + after);
        if due > self.now {
            let Some(until) = until.filter(|until| *until < due) else {
                self.now = due;
                return Ok(true);
            };
            self.now = self.now.max(until);
            return Ok(true);
        }
        let heard = self.take(&says, target);
        if self.dead {
            // It stays in the inbox: the next process finds it there.
            return Ok(true);
        }
        match (heard, says.refused) {
            (Ok(()), false) => {}
            (Ok(()), true) => return Err(format!("{}: this was taken, and the case says `refused: true`", says.at)),
            (Err(_), true) => {}
            (Err(why), false) => return Err(format!("{}: this is not taken: {why}", says.at)),
        }
        people.said += 1;
        people.since = None;
        Ok(true)
    }

    /// The step that waits for it; `None`: not yet. What is about no step may come at any time.
    fn target(&self, what: &What) -> Option<Option<StepPath>> {
        let Some(wanted) = what.step() else { return Some(None) };
        let asked = self.asked().into_iter();
        let mut fits = asked.filter(|(step, _)| step.as_str() == &**wanted || step.name() == &**wanted);
        let found = fits.find(|(_, asked)| match what {
            What::Vote(..) => *asked == Asked::Approval,
            What::Answer(..) => matches!(asked, Asked::Approval | Asked::Work),
            _ => *asked == Asked::Outcome,
        });
        found.map(|(step, _)| Some(step))
    }

    fn take(&mut self, says: &Says, step: Option<StepPath>) -> Result<(), String> {
        let step = step.unwrap_or_default();
        match &says.what {
            What::Vote(_, decision) => self.vote(says, &step, decision.clone()),
            What::Answer(_, value) if self.state.approving(&step).is_some() => {
                self.vote(says, &step, Decision::Answer { value: value.clone() })
            }
            What::Answer(_, value) => self.work(says, &step, value),
            What::Resolve { resolution, output, external_id, reason, .. } => {
                let mut body = vec![
                    ("step", Value::from(step.as_str())),
                    ("resolution", Value::from(*resolution)),
                    ("reason", Value::Text(reason.clone())),
                    ("auth", "case".into()),
                ];
                if *resolution == "performed" {
                    body.push(("output", output.clone()));
                    body.extend(external_id.clone().map(|id| ("external_id", Value::Text(id))));
                }
                self.receive("resolve", "", Value::map(body), &says.by)
            }
            What::Signal(name, body) => self.receive("signal", name, body.clone(), &says.by),
            What::Control(kind, body) => self.receive(kind, "", body.clone(), &says.by),
            What::Raise(unit, limit) => {
                let body = Value::map([
                    ("unit", Value::Text(unit.clone())),
                    ("limit", Value::Int(*limit)),
                    ("auth", "case".into()),
                ]);
                self.receive("raise", "", body, &says.by)
            }
        }
    }

    fn receive(&mut self, kind: &str, name: &str, body: Value, by: &str) -> Result<(), String> {
        let record = next::receive(self.state.inbox_read + 1, kind, name, body, by);
        self.record(record.ok_or_else(|| format!("this version knows no `{kind}` of that form"))?);
        Ok(())
    }

    fn vote(&mut self, says: &Says, step: &StepPath, decision: Decision) -> Result<(), String> {
        let Some(approving) = self.state.approving(step) else { return Err("nobody is asked".to_owned()) };
        let people = self.charter.project(&self.project).people.clone();
        let (terms, approval) = (&approving.terms, approving.id.clone());
        let answer = match &decision {
            Decision::Approve if terms.answerable => Some(&Value::Null),
            Decision::Answer { value } => Some(value),
            _ => None,
        };
        if let Some(answer) = answer
            && let Some(Kind::Approve(approve)) = self.program.step(step.name()).map(|step| &step.kind)
        {
            approve.fits(answer).map_err(|why| format!("the answer does not fit the form: {why}"))?;
        }
        let vote = Vote::cast(By::Person(says.by.clone()), decision, terms.shown, "case", &people, self.now);
        admit(terms, &approving.votes, &vote, &people, self.now).map_err(|why| why.to_string())?;
        let message = self.state.inbox_read + 1;
        self.record(Record::of(Event::VoteReceived { message, step: step.clone(), approval, vote }));
        Ok(())
    }

    fn work(&mut self, says: &Says, step: &StepPath, output: &Value) -> Result<(), String> {
        let Some(working) = self.state.working(step) else { return Err("nothing was handed over".to_owned()) };
        let (work, queue) = (working.id.clone(), working.queue.clone());
        let people = self.charter.project(&self.project).people.clone();
        let by = &says.by;
        let groups = people.groups_at(by, self.now);
        if people.person(by).is_none() {
            return Err(format!("`{by}` is not in people.yaml, and this is work for `{queue}`"));
        }
        if let Some(absence) = people.away(by, self.now) {
            return Err(format!("`{by}` is away until {}", absence.until()));
        }
        if !groups.contains(&queue) {
            return Err(format!("`{by}` is not in the group `{queue}`, whose work this is"));
        }
        let helps = self.state.open_at(step).is_some_and(|open| open.help.is_some());
        let fits = match self.program.step(step.name()) {
            Some(step) if helps => step.helps(output),
            Some(step) => match &step.kind {
                Kind::Handoff(handoff) => handoff.fits(output),
                _ => Ok(()),
            },
            None => Ok(()),
        };
        fits.map_err(|why| format!("the answer does not keep the contract: {why}"))?;
        let body = Value::map([
            ("step", Value::from(step.as_str())),
            ("work", Value::Text(work)),
            ("output", output.clone()),
            ("auth", "case".into()),
            ("groups", Value::list(groups.into_iter().map(Value::Text))),
            ("directory", Value::from(people.digest().to_string())),
            ("at", Value::from(self.now.to_string())),
        ]);
        self.receive("answer", "", body, by)
    }
}
