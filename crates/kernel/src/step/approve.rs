//! `approve`: puts a question before people and does nothing else. `ApprovalRequested` without a proposal opens it; votes come as for
//! an action; `ApprovalEnded` closes it, with what was decided or as a failure.

use std::{collections::BTreeSet, sync::Arc};

use super::people;
use crate::{
    action,
    expr::{Template, Text},
    governance::{
        approval::{Card, Question, Standing, consume, standing},
        policy::{self, OnExpiry, Severity},
    },
    ids::{Digest, StepPath},
    journal::{ApprovalEnd, Blob, Event, Held},
    next::{Frame, Record, Stop, Walk},
    recovery::{Failure, FailureKind},
    run::{Doing, Open},
    schema::Schema,
    types::Type,
    values::{Span, Value},
    workflow::reading::Reading,
    yaml::{Fields, Kind},
};

/// `approve: { ask, of, quorum, expires, on_expiry, no_self, evidence, form }`.
#[derive(Debug)]
pub struct Approve {
    /// The question.
    pub ask: Text,
    /// Whoever is in one of these groups may decide.
    pub of: Vec<Arc<str>>,
    /// How many different people must say yes, at least 1.
    pub quorum: u32,
    /// How long the question stands, in working hours of whoever has some; `None`: until it is decided.
    pub expires: Option<Span>,
    /// What follows then.
    pub on_expiry: OnExpiry,
    /// Whether who started the run, and for whom it acts, cannot vote.
    pub no_self: bool,
    /// What people are shown beside the question.
    pub evidence: Option<Template>,
    /// What an answer must fit; `None`: it is a question of yes and no.
    pub form: Option<Arc<Schema>>,
    /// The step whose plan it puts before people: they are asked about that.
    pub plan: Option<Arc<str>>,
}

impl Approve {
    pub(crate) fn begin(
        &self,
        walk: &mut Walk<'_>,
        path: &StepPath,
        frame: &Frame<'_>,
        open: Option<&Open>,
    ) -> Result<(), Stop> {
        let call = open.map_or(0, |open| open.asked) + 1;
        let (says, evidence, model_words) = self.asked(walk, path, frame)?;
        let hash = hash(walk, path, call, &says, &evidence);
        let asked = policy::Terms {
            groups: vec![self.of.clone()],
            quorum: self.quorum,
            expires: self.expires,
            on_expiry: self.on_expiry.clone(),
            editable: BTreeSet::new(),
            no_self: self.no_self,
            severity: Severity::default(),
        };
        let mut terms = action::terms(&asked, &walk.statutes().people, walk.facts.now, walk.requesters(), hash);
        terms.answerable = self.form.is_some();
        let standing = match &self.plan {
            Some(_) => people::claims(&evidence),
            None => people::standings(walk, path, &evidence),
        };
        let evidence = Value::map([("standing", standing), ("values", evidence)]);
        let (on_yes, on_no) = match &self.plan {
            Some(step) => (
                "its actions are done in this order, each judged again at its moment; what a rule puts before people is asked \
                 about then"
                    .to_owned(),
                format!("nothing of the plan is done; the step `{step}` fails with approval_rejected"),
            ),
            None => (
                format!("the run goes on; `{path}` gives who said yes"),
                format!("the step `{path}` fails with approval_rejected"),
            ),
        };
        let card = Card {
            says,
            why: Vec::new(),
            evidence,
            model_words,
            effect: None,
            with: Value::Null,
            form: self.form.as_deref().map(people::schema_value),
            undo: None,
            on_yes,
            on_no,
            terms,
        };
        let terms = card.bind(walk.facts.key);
        let mut blobs = Vec::new();
        let card = Held::hold(card.to_value(), &mut blobs);
        let event = Event::ApprovalRequested {
            step: path.clone(),
            approval: people::approval_id(walk, path, call),
            proposal: None,
            verdict: None,
            terms,
            card,
            grounds: None,
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
        let Doing::Approving(approving) = &open.doing else { return Ok(()) };
        if frame.draining() {
            return Ok(());
        }
        let terms = &approving.terms;
        let mut blobs = Vec::new();
        let end = match standing(terms, &approving.votes, walk.facts.now) {
            Standing::Approved { .. } => {
                let (says, evidence, _) = self.asked(walk, path, frame)?;
                let about = hash(walk, path, open.asked, &says, &evidence);
                match consume(terms, &approving.votes, about, walk.facts.now) {
                    // A bare yes is the answer `null`.
                    Ok(consent) => self.gave(consent.by(), Value::Null, &mut blobs),
                    Err(_) => ApprovalEnd::Superseded,
                }
            }
            Standing::Answered { value, by } => self.gave(&[by], value, &mut blobs),
            // A question has nothing that could be changed: it is asked again.
            Standing::Edited { .. } => ApprovalEnd::Superseded,
            Standing::Rejected { by, reason } => people::rejected(by, &reason),
            Standing::Expired => {
                let event = people::expired(walk, approving, path);
                walk.record(event);
                return Ok(());
            }
            Standing::Pending { .. } => {
                let ((says, ..), whom) = (self.asked(walk, path, frame)?, crate::story::whom(terms));
                walk.wait(terms.expires_at, || format!("{whom} to decide: {says} ({})", approving.id));
                return Ok(());
            }
        };
        walk.push(Record { event: people::ended(path, approving, end), blobs });
        Ok(())
    }

    fn gave(&self, by: &[Arc<str>], answer: Value, blobs: &mut Vec<Blob>) -> ApprovalEnd {
        let Err(why) = self.fits(&answer) else {
            return ApprovalEnd::Gave { output: Held::hold(self.value(by, answer), blobs), by: by.to_vec() };
        };
        let detail = format!("the answer of {} does not fit the form: {why}", by.join(", "));
        let failure = Failure::inside(FailureKind::ContractViolated, detail);
        ApprovalEnd::Failed { failure, by: by.first().cloned() }
    }

    /// Whether this may be answered here. A bare yes is the answer `null`.
    ///
    /// # Errors
    /// Why not, in words for the person who answers.
    pub fn fits(&self, answer: &Value) -> Result<(), String> {
        match &self.form {
            Some(form) => form.validate(answer).map_err(|complaints| complaints.join("; ")),
            None if answer.is_null() => Ok(()),
            None => Err("it is a question of yes and no".to_owned()),
        }
    }

    /// The question, what people are shown beside it, and what a model says of it.
    fn asked(
        &self,
        walk: &Walk<'_>,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(String, Value, Option<String>), Stop> {
        if self.plan.is_some() {
            let (says, evidence, words) = walk.plan_in_review(path)?;
            return Ok((says, evidence, Some(words)));
        }
        Ok((walk.render(&self.ask, frame)?, self.shown(walk, frame)?, None))
    }

    fn shown(&self, walk: &Walk<'_>, frame: &Frame<'_>) -> Result<Value, Stop> {
        match &self.evidence {
            Some(evidence) => walk.evaluate(evidence, frame),
            None => Ok(Value::map::<&str>([])),
        }
    }

    fn value(&self, by: &[Arc<str>], answer: Value) -> Value {
        let by = Value::list(by.iter().map(|id| Value::Text(id.clone())));
        let answer = self.form.as_ref().map(|_| ("answer", answer));
        Value::map([("approved", Value::Bool(true)), ("by", by)].into_iter().chain(answer))
    }
}

fn hash(walk: &Walk<'_>, path: &StepPath, call: u32, question: &str, evidence: &Value) -> Digest {
    let (tenant, run) = (walk.facts.tenant, walk.state.run);
    Question { tenant, run, step: path, call, question, evidence }.hash(walk.facts.key)
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 1] = ["approve"];

/// The keys below `approve`.
const INNER: [&str; 8] = ["ask", "of", "quorum", "expires", "on_expiry", "no_self", "evidence", "form"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Approve, Type)> {
    let node = fields.get("approve")?;
    let fields = Fields::new(node, "`approve`", &INNER, &[], &mut reading.complaints)?;
    let ask = fields.required("ask", &mut reading.complaints).and_then(|node| reading.text(node));
    let form = fields.get("form").map(|node| reading.schema(node));
    let asked = asked("of", &fields, form.is_some(), reading);
    let evidence = people::named_values("evidence", &fields, reading);
    let form = match form {
        Some(form) => Some(form?),
        None => None,
    };
    let Asked { of, quorum, expires, on_expiry, no_self } = asked?;
    let ty = [("approved", Type::Bool), ("by", Type::list(Type::TEXT))];
    let answer = form.as_ref().map(|form| ("answer", form.ty().clone()));
    let ty = Type::object(ty.into_iter().chain(answer));
    let (ask, evidence) = (ask?, evidence?);
    Some((Approve { ask, of, quorum, expires, on_expiry, no_self, evidence, form, plan: None }, ty))
}

/// Who is asked, and on what terms.
pub(crate) struct Asked {
    pub of: Vec<Arc<str>>,
    pub quorum: u32,
    pub expires: Option<Span>,
    pub on_expiry: OnExpiry,
    pub no_self: bool,
}

/// Reads who is asked, under `key`, and on what terms.
pub(crate) fn asked(key: &str, fields: &Fields<'_>, form: bool, reading: &mut Reading<'_>) -> Option<Asked> {
    let of = fields.required(key, &mut reading.complaints).and_then(|node| match &node.kind {
        Kind::List(items) if items.is_empty() => {
            reading.complaints.push(node.complaint("W003", "at least one group is asked"));
            None
        }
        Kind::List(items) => items.iter().map(|item| people::group(item, reading)).collect(),
        _ => people::group(node, reading).map(|group| vec![group]),
    });
    let quorum = fields.int("quorum", 1, 100, &mut reading.complaints).unwrap_or(1);
    let quorum = u32::try_from(quorum).unwrap_or(1);
    let expires = fields.time("expires", &mut reading.complaints);
    let on_expiry = on_expiry(fields, expires.is_some(), reading);
    let no_self = fields.bool("no_self", false, &mut reading.complaints);
    let of: Vec<Arc<str>> = of?;
    if let Some(at) = fields.get("quorum") {
        reachable(at, &of, quorum, form, reading);
    }
    Some(Asked { of, quorum, expires, on_expiry: on_expiry?, no_self })
}

/// `on_expiry: deny`, or `{ escalate: group }`.
fn on_expiry(fields: &Fields<'_>, expires: bool, reading: &mut Reading<'_>) -> Option<OnExpiry> {
    let Some(node) = fields.get("on_expiry") else { return Some(OnExpiry::Deny) };
    if !expires {
        let message = "`on_expiry` without `expires`: the question never ends";
        reading.complaints.push(node.complaint("W003", message));
    }
    if let Kind::Map(_) = &node.kind {
        let fields = Fields::new(node, "`on_expiry`", &["escalate"], &[], &mut reading.complaints)?;
        let group = fields.required("escalate", &mut reading.complaints)?;
        return people::group(group, reading).map(|group| OnExpiry::Escalate(vec![group]));
    }
    node.one_of(&["deny"], &mut reading.complaints).map(|_| OnExpiry::Deny)
}

/// Complains about a question that so many people can never decide together.
fn reachable(at: &crate::yaml::Node, of: &[Arc<str>], quorum: u32, form: bool, reading: &mut Reading<'_>) {
    if form && quorum > 1 {
        let message = format!("a form is filled in by one person, and `quorum` wants {quorum}");
        let hint = "ask for the answer in one step and for the others' yes in a second one";
        reading.complaints.push(at.complaint("W120", message).hint(hint));
        return;
    }
    let Some(people) = reading.people() else { return };
    let members: BTreeSet<&Arc<str>> = of.iter().flat_map(|group| people.members(group)).map(|(id, _)| id).collect();
    if (members.len() as u64) < u64::from(quorum) && of.iter().all(|group| people.group(group).is_some()) {
        let message = format!("`quorum` wants {quorum} people, and {} of them are there", members.len());
        reading.complaints.push(at.complaint("W121", message).hint(format!(
            "in {}: {}",
            of.join(", "),
            listed(&members)
        )));
    }
}

fn listed(members: &BTreeSet<&Arc<str>>) -> String {
    let names: Vec<&str> = members.iter().map(|id| &***id).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}
