//! `wait`: for time, a signal, an event, or whichever comes first. `WaitStarted` opens it, `WaitEnded` closes it. A signal that arrives
//! before its wait is kept, not lost; so is an event, whoever published it, for as long as events are kept.

use std::sync::Arc;

use crate::{
    complaint::Complaint,
    expr::{Expr, Template},
    governance::labels::{Words, WordsOf},
    ids::StepPath,
    journal::{Event, Held, Topic},
    next::{Frame, Record, Stop, Walk},
    recovery::{Failure, FailureKind},
    run::{Doing, Open},
    types::Type,
    values::{Span, Timestamp, Value},
    workflow::reading::Reading,
    yaml::{Fields, Kind},
};

/// `wait: { for: 3d, until: expression, signal: name, event: type, key: … }`, at least one of them; or `any: [ … ]` with several.
#[derive(Debug)]
pub struct Wait {
    /// So long from when it begins.
    pub span: Option<Span>,
    /// Until that time, a text in RFC 3339 or a date.
    pub until: Vec<Expr>,
    /// Until one of these signals comes.
    pub signals: Vec<Arc<str>>,
    /// Until one of these events happens.
    pub events: Vec<Named>,
    /// What the body and the sender of a signal carry; without a word they are untrusted.
    pub labels: Words,
}

/// An event, and the expression for what it is about.
#[derive(Debug)]
pub struct Named {
    /// Its type.
    pub name: Arc<str>,
    /// About what; without it, about nothing in particular.
    pub key: Option<Template>,
}

impl Named {
    /// What it is known by now.
    pub(crate) fn topic(&self, walk: &Walk<'_>, frame: &Frame<'_>) -> Result<Topic, Stop> {
        let key = match &self.key {
            None => Value::from(""),
            Some(key) => walk.evaluate(key, frame)?,
        };
        let key = match key {
            Value::Text(text) => text,
            Value::Int(_) | Value::Bool(_) => key.to_json().into(),
            other => {
                let detail =
                    format!("the key of event `{}` is {}: write a text or a number", self.name, other.to_json());
                return Err(Stop::Failed(Failure::inside(FailureKind::Internal, detail)));
            }
        };
        Ok(Topic { event: self.name.clone(), key })
    }
}

impl Wait {
    pub(crate) fn begin(&self, walk: &mut Walk<'_>, path: &StepPath, frame: &Frame<'_>) -> Result<(), Stop> {
        let by_span = self.span.map(|span| walk.facts.now + span);
        let mut until = by_span;
        for date in &self.until {
            let date = moment(&walk.compute(date, frame)?, date.source())?;
            until = Some(until.map_or(date, |until| until.min(date)));
        }
        let events = self.events.iter().map(|event| event.topic(walk, frame)).collect::<Result<Vec<_>, _>>()?;
        let signals = self.signals.clone();
        walk.record(Event::WaitStarted { step: path.clone(), until, signals, events });
        Ok(())
    }

    pub(crate) fn go_on(
        &self,
        walk: &mut Walk<'_>,
        open: &Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let Doing::Waiting { until, signals, events } = &open.doing else { return Ok(()) };
        if frame.draining() {
            return Ok(());
        }
        if let Some(signal) = walk.take(signals, events) {
            let body = walk.unhold(&signal.body)?;
            let output = Value::map([
                ("by", Value::from(if signal.key.is_some() { "event" } else { "signal" })),
                ("name", Value::Text(signal.name.clone())),
                ("body", body),
                ("sender", Value::Text(signal.sender.clone())),
            ]);
            let mut blobs = Vec::new();
            let output = Held::hold(output, &mut blobs);
            let event = Event::WaitEnded { step: path.clone(), message: Some(signal.message), output };
            walk.push(Record { event, blobs });
        } else if until.is_some_and(|until| until <= walk.facts.now) {
            let output = Value::map([
                ("by", Value::from("time")),
                ("name", Value::Null),
                ("body", Value::Null),
                ("sender", Value::Null),
            ]);
            walk.record(Event::WaitEnded { step: path.clone(), message: None, output: Held::Value(output) });
        } else {
            let what = crate::story::awaited(signals, events).unwrap_or_else(|| "time".to_owned());
            walk.wait(*until, || format!("{what} at `{path}`"));
        }
        Ok(())
    }
}

fn moment(value: &Value, source: &str) -> Result<Timestamp, Stop> {
    value.as_str().and_then(Timestamp::parse).ok_or_else(|| {
        let detail = format!("`{source}` gave {value}, no time: write it as 2026-11-20T09:00:00Z or 2026-11-20");
        Stop::Failed(Failure::inside(FailureKind::Internal, detail))
    })
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 1] = ["wait"];

/// What may be waited for.
const WAYS: [&str; 5] = ["for", "until", "signal", "event", "key"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Wait, Type)> {
    let node = fields.get("wait")?;
    let before = reading.complaints.len();
    let known: Vec<&str> = WAYS.into_iter().chain(["labels", "any"]).collect();
    let fields = Fields::new(node, "`wait`", &known, &[], &mut reading.complaints)?;
    let mut wait =
        Wait { span: None, until: Vec::new(), signals: Vec::new(), events: Vec::new(), labels: Words::default() };
    match fields.get("any") {
        None => way(&fields, &mut wait, reading)?,
        Some(any) => {
            if let Some(key) = WAYS.iter().find_map(|key| fields.key(key)) {
                let message = format!("`{}` stands beside `any`", key.text);
                let complaint = Complaint::new("W226", &node.file, key.span, message);
                reading.complaints.push(complaint.hint("make it an item of `any`"));
            }
            for item in any.list(&mut reading.complaints)? {
                let fields = Fields::new(item, "an item of `any`", &WAYS, &[], &mut reading.complaints)?;
                if !WAYS.iter().any(|way| fields.has(way)) {
                    reading.complaints.push(item.complaint("W003", "this waits for nothing"));
                }
                way(&fields, &mut wait, reading)?;
            }
        }
    }
    if let Some(node) = fields.get("labels") {
        wait.labels = Words::read(node, WordsOf::Schema, &mut reading.complaints)?;
        if wait.signals.is_empty() && wait.events.is_empty() {
            let message = "`labels` says what a signal carries, and this `wait` has none";
            reading.complaints.push(node.complaint("W003", message).hint("name one: `signal: paid`"));
        }
    }
    if wait.span.is_none() && wait.until.is_empty() && wait.signals.is_empty() && wait.events.is_empty() {
        if reading.complaints.len() == before {
            let message = "a `wait` needs one of `for`, `until`, `signal`, `event`";
            reading.complaints.push(node.complaint("W003", message));
        }
        return None;
    }
    let ty = Type::object([
        ("by", Type::TEXT),
        ("name", Type::TEXT.maybe()),
        ("body", Type::Any),
        ("sender", Type::TEXT.maybe()),
    ]);
    Some((wait, ty))
}

/// One or more ways in which the wait ends.
fn way(fields: &Fields<'_>, wait: &mut Wait, reading: &mut Reading<'_>) -> Option<()> {
    if let Some(span) = fields.time("for", &mut reading.complaints) {
        wait.span = Some(wait.span.map_or(span, |known| known.min(span)));
    }
    if let Some(node) = fields.get("until") {
        let (until, ty) = reading.expr(node)?;
        if let Some(why) = Type::TEXT.refusal(&ty) {
            reading.complaints.push(node.complaint("E003", format!("`until` is a time as a text: {why}")));
        }
        wait.until.push(until);
    }
    if let Some(node) = fields.get("signal") {
        let names = match &node.kind {
            Kind::List(_) => node.texts(&mut reading.complaints)?,
            _ => vec![node.text(&mut reading.complaints)?],
        };
        wait.signals.extend(names);
    }
    if fields.has("event") {
        wait.events.push(named(fields, reading)?);
    } else if let Some(key) = fields.get("key") {
        let message = "`key` says what an event is about, and here is none";
        reading.complaints.push(key.complaint("W226", message).hint("name one: `event: order.paid`"));
    }
    Some(())
}

/// `event` and `key`.
pub(crate) fn named(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<Named> {
    let node = fields.get("event")?;
    let name = node.text(&mut reading.complaints)?;
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ['_', '.', '-'].contains(&c));
    if !plain || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 128 {
        let message = format!("`{name}` cannot name an event");
        let hint = "use lower-case letters, digits, `.`, `-` and `_`, beginning with a letter, at most 128";
        reading.complaints.push(node.complaint("W226", message).hint(hint));
        return None;
    }
    let key = match fields.get("key") {
        None => None,
        Some(node) => {
            let (key, ty) = reading.template(node)?;
            let fits = [Type::TEXT, Type::Int, Type::Bool].iter().any(|wanted| wanted.accepts(&ty));
            if !fits {
                let message = "the key of an event is a text, a whole number, or true or false";
                reading.complaints.push(node.complaint("W226", message));
                return None;
            }
            Some(key)
        }
    };
    Some(Named { name, key })
}
