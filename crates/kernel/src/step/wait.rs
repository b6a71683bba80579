//! `wait`: for time, a signal, or whichever comes first. `WaitStarted` opens it, `WaitEnded` closes it. A signal that arrives
//! before its wait is kept, not lost.

use std::sync::Arc;

use crate::{
    expr::Expr,
    governance::labels::{Words, WordsOf},
    ids::StepPath,
    journal::{Event, Held},
    next::{Frame, Record, Stop, Walk},
    recovery::{Failure, FailureKind},
    run::{Doing, Open},
    types::Type,
    values::{Span, Timestamp, Value},
    workflow::reading::Reading,
    yaml::{Fields, Kind},
};

/// `wait: { for: 3d, until: =expression, signal: name }`; at least one of them.
#[derive(Debug)]
pub struct Wait {
    /// So long from when it begins.
    pub span: Option<Span>,
    /// Until that time, a text in RFC 3339 or a date.
    pub until: Option<Expr>,
    /// Until one of these signals comes.
    pub signals: Vec<Arc<str>>,
    /// What the body and the sender of a signal carry; without a word they are untrusted.
    pub labels: Words,
}

impl Wait {
    pub(crate) fn begin(&self, walk: &mut Walk<'_>, path: &StepPath, frame: &Frame<'_>) -> Result<(), Stop> {
        let by_span = self.span.map(|span| walk.facts.now + span);
        let by_date = match &self.until {
            Some(until) => Some(moment(&walk.compute(until, frame)?, until.source())?),
            None => None,
        };
        let until = match (by_span, by_date) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        walk.record(Event::WaitStarted { step: path.clone(), until, signals: self.signals.clone() });
        Ok(())
    }

    pub(crate) fn go_on(
        &self,
        walk: &mut Walk<'_>,
        open: &Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let Doing::Waiting { until, signals } = &open.doing else { return Ok(()) };
        if frame.draining() {
            return Ok(());
        }
        if let Some(signal) = walk.take(signals) {
            let body = walk.unhold(&signal.body)?;
            let output = Value::map([
                ("by", Value::from("signal")),
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
            walk.wait(*until, || match signals.as_slice() {
                [] => format!("time at `{path}`"),
                signals => format!("signal {} at `{path}`", signals.join(" or ")),
            });
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

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Wait, Type)> {
    let node = fields.get("wait")?;
    let fields =
        Fields::new(node, "`wait`", &["for", "until", "signal", "labels"], &["event", "any"], &mut reading.complaints)?;
    let span = fields.time("for", &mut reading.complaints);
    let until = match fields.get("until") {
        None => None,
        Some(node) => {
            let (until, ty) = reading.expr(node)?;
            if let Some(why) = Type::TEXT.refusal(&ty) {
                reading.complaints.push(node.complaint("E003", format!("`until` is a time as a text: {why}")));
            }
            Some(until)
        }
    };
    let signals = match fields.get("signal") {
        None => Vec::new(),
        Some(node) => match &node.kind {
            Kind::List(_) => node.texts(&mut reading.complaints)?,
            _ => vec![node.text(&mut reading.complaints)?],
        },
    };
    let labels = match fields.get("labels") {
        Some(node) => Words::read(node, WordsOf::Schema, &mut reading.complaints)?,
        None => Words::default(),
    };
    if let (Some(node), true) = (fields.get("labels"), signals.is_empty()) {
        let message = "`labels` says what a signal carries, and this `wait` has none";
        reading.complaints.push(node.complaint("W003", message).hint("name one: `signal: paid`"));
    }
    if !fields.has("for") && until.is_none() && signals.is_empty() {
        let message = "a `wait` needs one of `for`, `until`, `signal`";
        reading.complaints.push(node.complaint("W003", message));
        return None;
    }
    let ty = Type::object([
        ("by", Type::TEXT),
        ("name", Type::TEXT.maybe()),
        ("body", Type::Any),
        ("sender", Type::TEXT.maybe()),
    ]);
    Some((Wait { span, until, signals, labels }, ty))
}
