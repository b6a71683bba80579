//! What the receiver knows, and how it decides about a request.

use std::collections::{BTreeMap, VecDeque};

use axum::{body::Bytes, http::StatusCode};
use kernel::ids::Digest;
use serde_json::json;

use super::plan::{Dedupe, Rule, Rules};
use crate::{
    ledger::{Class, Line, Mode},
    wire::Connection,
};

/// How many requests are taken in a window; more are answered 429. Requests that were turned away do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// At least 1.
    pub requests: usize,
    /// In milliseconds, at least 1.
    pub window_ms: u64,
}

/// One request, as far as the book is concerned.
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    /// What a setting is looked up by.
    pub(super) kind: String,
    pub(super) class: Class,
    pub(super) key: Option<String>,
    pub(super) reference: Option<String>,
    pub(super) sender: Option<String>,
    pub(super) body: Bytes,
    pub(super) connection: Connection,
}

impl Request {
    /// One that changes nothing.
    pub(super) fn look(method: &'static str, path: String, kind: &str, connection: Connection) -> Request {
        let (class, kind, body) = (Class::Read, kind.to_owned(), Bytes::new());
        Request { method, path, kind, class, key: None, reference: None, sender: None, body, connection }
    }

    /// By what two requests are the same one, sent again.
    pub(super) fn identity(&self) -> Option<&str> {
        self.key.as_deref().or(self.reference.as_deref())
    }

    fn is_effect(&self) -> bool {
        self.path.starts_with("/effect/")
    }
}

/// What is answered when all goes well.
pub(super) enum Answer {
    Json(StatusCode, serde_json::Value),
    /// The answer that the key got before.
    Stored(serde_json::Value),
}

/// What the receiver knows.
pub(super) struct Book {
    next: u64,
    pub(super) rules: Rules,
    pub(super) limit: Option<Limit>,
    /// When each request of the last window was taken.
    taken: VecDeque<i64>,
    /// The first applied effect of each key.
    stored: BTreeMap<String, Stored>,
    /// Applied effects by number.
    effects: BTreeMap<u64, Applied>,
    /// The numbers of applied effects by reference.
    references: BTreeMap<String, Vec<u64>>,
    /// How often each (path, key or reference) came.
    seen: BTreeMap<(String, Option<String>), u64>,
}

#[derive(Clone)]
struct Stored {
    n: u64,
    path: String,
    kind: String,
    body_sha256: String,
}

struct Applied {
    kind: String,
    at_us: i64,
}

impl Book {
    /// With all that was received before.
    pub(super) fn of(lines: &[Line]) -> Book {
        let mut book = Book {
            next: lines.len() as u64 + 1,
            rules: Rules::default(),
            limit: None,
            taken: VecDeque::new(),
            stored: BTreeMap::new(),
            effects: BTreeMap::new(),
            references: BTreeMap::new(),
            seen: BTreeMap::new(),
        };
        lines.iter().for_each(|line| book.remember(line));
        book
    }

    fn remember(&mut self, line: &Line) {
        let identity = line.key.clone().or_else(|| line.reference.clone());
        *self.seen.entry((line.path.clone(), identity)).or_default() += 1;
        let (true, Some(kind)) = (line.applied, line.effect()) else { return };
        self.effects.insert(line.n, Applied { kind: kind.to_owned(), at_us: line.at_us });
        // Lines from before there were classes are of effects that honour keys.
        let class = line.class.unwrap_or(Class::Idempotent);
        if let (Class::Idempotent, Some(key)) = (class, &line.key) {
            self.stored.entry(key.clone()).or_insert_with(|| Stored {
                n: line.n,
                path: line.path.clone(),
                kind: kind.to_owned(),
                body_sha256: line.body_sha256.clone(),
            });
        }
        if let (Class::Idempotent | Class::Probed, Some(reference)) = (class, &line.reference) {
            self.references.entry(reference.clone()).or_default().push(line.n);
        }
    }

    /// Decides about a request and takes its number.
    pub(super) fn take(&mut self, request: &Request, at_us: i64) -> (Line, Answer, Rule) {
        let n = self.next;
        self.next += 1;
        let rule = self.rule(request, at_us);
        let body_sha256 = Digest::of(&[&request.body]).to_string();
        let (answer, applied) = if request.is_effect() {
            self.effect(n, request, &body_sha256, rule.mode)
        } else {
            (self.look(request, at_us), false)
        };
        let status = match (&answer, rule.mode) {
            (Answer::Json(status, _), _) if status.is_client_error() => status.as_u16(),
            (_, Mode::Reject4xx) => 422,
            (_, Mode::FailBefore | Mode::FailAfter) => 500,
            (_, Mode::RetryAfter | Mode::SpendLimit | Mode::Limited) => 429,
            (Answer::Json(status, _), _) => status.as_u16(),
            (Answer::Stored(_), _) => 200,
        };
        let found = match &answer {
            Answer::Json(_, said) if request.kind == "probe" => said["found"].as_bool(),
            _ => None,
        };
        let line = Line {
            n,
            at_us,
            method: request.method.to_owned(),
            path: request.path.clone(),
            key: request.key.clone(),
            reference: request.reference.clone(),
            class: Some(request.class),
            body_sha256,
            body: readable(&request.body),
            connection: request.connection.id,
            sender: request.sender.clone(),
            mode: rule.mode,
            applied,
            status,
            found,
        };
        self.remember(&line);
        (line, answer, rule)
    }

    fn rule(&mut self, request: &Request, at_us: i64) -> Rule {
        if let Some(limit) = self.limit {
            let window_us = i64::try_from(limit.window_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
            while self.taken.front().is_some_and(|first| first.saturating_add(window_us) <= at_us) {
                self.taken.pop_front();
            }
            if let Some(first) = self.taken.front().filter(|_| self.taken.len() >= limit.requests) {
                let left_us = first.saturating_add(window_us).saturating_sub(at_us);
                return Rule::limited(u64::try_from(left_us).unwrap_or(0).div_ceil(1_000_000));
            }
            self.taken.push_back(at_us);
        }
        let identity = request.identity().map(str::to_owned);
        let count = self.seen.get(&(request.path.clone(), identity)).copied().unwrap_or(0);
        self.rules.rule(request, count)
    }

    /// The answer, and whether the effect happens now.
    fn effect(&self, n: u64, request: &Request, body_sha256: &str, mode: Mode) -> (Answer, bool) {
        if !mode.applies() {
            return (Answer::Json(StatusCode::OK, json!(null)), false);
        }
        let applied = request.class != Class::Read;
        let honoured = request.class == Class::Idempotent && self.rules.dedupe(&request.kind) == Dedupe::On;
        let stored = request.key.as_ref().filter(|_| honoured).and_then(|key| self.stored.get(key));
        match stored {
            None => (Answer::Json(StatusCode::OK, happened(n, &request.kind, applied)), applied),
            Some(stored) if stored.path == request.path && stored.body_sha256 == body_sha256 => {
                (Answer::Stored(happened(stored.n, &stored.kind, true)), false)
            }
            Some(stored) => {
                let detail = format!("this key stands for request {}, which was another", stored.n);
                (Answer::Json(StatusCode::CONFLICT, json!({"error": detail})), false)
            }
        }
    }

    fn look(&self, request: &Request, at_us: i64) -> Answer {
        if let Some(id) = request.path.strip_prefix("/read/") {
            let number = id.parse().ok().or_else(|| self.stored.get(id).map(|stored| stored.n));
            let kind = number.and_then(|number| self.effects.get(&number)).map(|applied| &applied.kind);
            return Answer::Json(StatusCode::OK, json!({"id": id, "found": kind.is_some(), "kind": kind}));
        }
        if request.kind == "probe" {
            let reference = request.reference.as_deref().unwrap_or_default();
            return Answer::Json(StatusCode::OK, self.probe(reference, at_us));
        }
        if request.kind == "hook" {
            return Answer::Json(StatusCode::OK, json!({"taken": true}));
        }
        let asked =
            self.seen.iter().filter(|((path, _), _)| *path == request.path).map(|(_, count)| count).sum::<u64>();
        Answer::Json(StatusCode::OK, json!({"asked": asked + 1, "body": readable(&request.body)}))
    }

    /// Whether an effect with this reference was applied, as far as the receiver's own index knows by now.
    fn probe(&self, reference: &str, at_us: i64) -> serde_json::Value {
        let visible = |n: &&u64| {
            let Some(applied) = self.effects.get(n) else { return false };
            applied.at_us.saturating_add(self.rules.lag_us(&applied.kind)) <= at_us
        };
        let all: Vec<u64> = self.references.get(reference).into_iter().flatten().filter(visible).copied().collect();
        let first = all.first();
        let kind = first.and_then(|n| self.effects.get(n)).map(|applied| &applied.kind);
        json!({"ref": reference, "found": first.is_some(), "id": first, "kind": kind, "count": all.len()})
    }
}

fn happened(n: u64, kind: &str, applied: bool) -> serde_json::Value {
    json!({"id": n, "kind": kind, "applied": applied})
}

fn readable(body: &Bytes) -> serde_json::Value {
    if body.is_empty() {
        return serde_json::Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into())
}
