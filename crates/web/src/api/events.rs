//! What runs are told: signals for one of them, and events, as CloudEvents 1.0, for all that wait.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    body::Bytes,
    extract::Path,
    http::{HeaderMap, StatusCode, header},
};
use kernel::{
    ids::Digest,
    journal::Topic,
    values::{Timestamp, Value},
};
use serde::Serialize;
use store::Posted;
use utoipa::ToSchema;

use super::{Body, Caller, idempotency_key, run_id, value};
use crate::problem::Problem;

/// Whether it counts.
#[derive(Serialize, ToSchema)]
pub(super) struct Told {
    /// False: the same was sent before, and nothing happened.
    new: bool,
}

/// Sends a signal to a run
///
/// It is kept until a `wait` takes it, in whatever order the two come. The same `Idempotency-Key` counts once.
#[utoipa::path(
    post, path = "/runs/{run}/signals/{name}", operation_id = "signal_run", tag = "Events",
    params(
        ("run" = String, Path, description = "Its id"),
        ("name" = String, Path, description = "What a `wait` names"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters"),
    ),
    request_body(content = serde_json::Value, description = "What it carries; `null` for nothing"),
    responses((status = ACCEPTED, body = Told, description = "It is durable")),
)]
pub(super) async fn signal(
    caller: Caller,
    Path((run, name)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body<serde_json::Value>,
) -> Result<(StatusCode, Json<Told>), Problem> {
    let run = run_id(&run)?;
    if name.is_empty() || name.len() > MOST {
        return Err(Problem::malformed(format!("the name of a signal has 1 to {MOST} bytes")));
    }
    // Names that callers give are apart from those that the engine gives.
    let id = idempotency_key(&headers)?.map(|key| format!("named:{key}").into());
    let body = value(&body, "the signal")?;
    let posted = caller.app.site.runtime().signal(run, name, body, id, caller.name()).await?;
    Ok((StatusCode::ACCEPTED, Json(Told { new: matches!(posted, Posted::New { .. }) })))
}

/// An event: a CloudEvent 1.0 in the structured mode.
///
/// In the binary mode the body is the data, and `ce-id`, `ce-source`, `ce-specversion`, `ce-type`, `ce-subject` are headers.
#[derive(ToSchema)]
#[schema(as = CloudEvent)]
#[expect(dead_code, reason = "it describes what `CloudEvent::read` reads field by field")]
struct Described {
    /// `1.0`.
    specversion: String,
    /// With `source`: the same counts once.
    id: String,
    /// Where it happened.
    source: String,
    /// What a `wait` names as its `event`: lower-case letters, digits, `.`, `-`, `_`.
    r#type: String,
    /// What a `wait` names as its `key`; none if absent.
    subject: Option<String>,
    /// RFC 3339; it changes nothing.
    time: Option<String>,
    /// `application/json`, or nothing.
    datacontenttype: Option<String>,
    /// What it carries.
    data: Option<serde_json::Value>,
}

/// An event that is kept.
#[derive(Serialize, ToSchema)]
pub(super) struct Published {
    id: String,
    source: String,
    /// False: an event with this `source` and `id` was published before, and nothing happened.
    new: bool,
}

/// Publishes an event for every run that waits for it, now or later
///
/// A CloudEvent 1.0: structured (`application/cloudevents+json`) or binary (the body is the data, attributes are `ce-` headers). `type` is the event,
/// `subject` its key, `data` what it carries; the same `source` and `id` count once. Other attributes are checked and not kept.
#[utoipa::path(
    post, path = "/events", operation_id = "publish_event", tag = "Events",
    params(
        ("ce-specversion" = Option<String>, Header, description = "Binary mode: `1.0`"),
        ("ce-id" = Option<String>, Header, description = "Binary mode"),
        ("ce-source" = Option<String>, Header, description = "Binary mode"),
        ("ce-type" = Option<String>, Header, description = "Binary mode"),
        ("ce-subject" = Option<String>, Header, description = "Binary mode"),
    ),
    request_body(content((Described = "application/cloudevents+json"), (serde_json::Value = "application/json"))),
    responses((status = ACCEPTED, body = Published, description = "It is durable")),
)]
pub(super) async fn publish(
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Published>), Problem> {
    let event = CloudEvent::read(&headers, &body)?;
    let (id, source) = (event.attribute("id").to_owned(), event.attribute("source").to_owned());
    let name = event.attribute("type");
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    if !name.chars().all(fits) {
        let problem = Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            format!("no workflow can wait for an event of type `{name}`"),
        );
        return Err(problem.hint("a type has lower-case letters, digits, `.`, `-`, `_`"));
    }
    // Neither holds a control character: no two pairs have one text.
    let once = Digest::of(&[b"cloudevent\0", source.as_bytes(), b"\0", id.as_bytes()]);
    let topic = Topic { event: name.into(), key: event.attribute("subject").into() };
    let site = &caller.app.site;
    let sender: Arc<str> = format!("{} ({source})", caller.name()).into();
    let place = (None, site.name());
    let names = (Some(once.to_string().into()), Some(id.as_str().into()));
    let new = site.runtime().publish(place, topic, event.data, names, sender).await?;
    Ok((StatusCode::ACCEPTED, Json(Published { id, source, new })))
}

/// Most bytes of an attribute.
const MOST: usize = 1_024;

/// An event as it was sent.
#[derive(Debug)]
pub(crate) struct CloudEvent {
    attributes: BTreeMap<String, String>,
    pub(crate) data: Value,
}

impl CloudEvent {
    /// What an attribute says; nothing if it is not there.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Reads both modes of the HTTP binding.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<CloudEvent, Problem> {
        let sent = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or("?")).unwrap_or_default();
        let event = match essence(sent).as_str() {
            "application/cloudevents+json" => CloudEvent::structured(body)?,
            kind if kind.starts_with("application/cloudevents") => {
                let problem = Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "malformed",
                    format!("`{kind}` is not taken: one event, as JSON, is"),
                );
                return Err(problem.hint("send application/cloudevents+json, or the data with `ce-` headers"));
            }
            _ => CloudEvent::binary(headers, sent, body)?,
        };
        event.checked()
    }

    fn structured(body: &[u8]) -> Result<CloudEvent, Problem> {
        let unreadable = |why: String| Problem::malformed(format!("the event cannot be read: {why}"));
        let whole: serde_json::Value = serde_json::from_slice(body).map_err(|why| unreadable(why.to_string()))?;
        let serde_json::Value::Object(whole) = whole else {
            return Err(unreadable("it is no object".to_owned()));
        };
        let (mut attributes, mut data) = (BTreeMap::new(), Value::Null);
        for (name, said) in whole {
            match (&*name, said) {
                ("data", said) => data = value(&said, "`data`")?,
                ("data_base64", _) => return Err(not_json("`data_base64`")),
                (_, serde_json::Value::Null) => {}
                (_, serde_json::Value::String(text)) => drop(attributes.insert(name, text)),
                // Extensions may be numbers and truth values; what every event has is text.
                (known, said @ (serde_json::Value::Bool(_) | serde_json::Value::Number(_)))
                    if !KNOWN.contains(&known) =>
                {
                    attributes.insert(name, said.to_string());
                }
                (name, _) => return Err(Problem::malformed(format!("the attribute `{name}` is no text"))),
            }
        }
        Ok(CloudEvent { attributes, data })
    }

    fn binary(headers: &HeaderMap, sent: &str, body: &[u8]) -> Result<CloudEvent, Problem> {
        let mut attributes = BTreeMap::new();
        for (name, said) in headers {
            let Some(name) = name.as_str().strip_prefix("ce-") else { continue };
            let text = decoded(said.as_bytes());
            let text = text.ok_or_else(|| Problem::malformed(format!("the header `ce-{name}` cannot be read")))?;
            if attributes.insert(name.to_owned(), text).is_some() {
                return Err(Problem::malformed(format!("the header `ce-{name}` stands there twice")));
            }
        }
        if attributes.is_empty() {
            let problem = Problem::malformed("this is no CloudEvent: there are no `ce-` headers");
            return Err(problem.hint("send application/cloudevents+json, or the data with `ce-` headers"));
        }
        if attributes.contains_key("datacontenttype") {
            return Err(Problem::malformed("the type of the data stands in `Content-Type`, not in a `ce-` header"));
        }
        if !sent.is_empty() {
            attributes.insert("datacontenttype".to_owned(), sent.to_owned());
        }
        let data = match body {
            [] => Value::Null,
            _ if !is_json(sent) => return Err(not_json(&format!("`{sent}`"))),
            body => {
                let said = serde_json::from_slice(body);
                value(&said.map_err(|why| Problem::malformed(format!("the data cannot be read: {why}")))?, "the data")?
            }
        };
        Ok(CloudEvent { attributes, data })
    }

    fn checked(self) -> Result<CloudEvent, Problem> {
        let missing: Vec<&str> = REQUIRED.into_iter().filter(|name| self.attribute(name).is_empty()).collect();
        if !missing.is_empty() {
            return Err(Problem::malformed(format!("an event has {}: missing or empty", missing.join(", "))));
        }
        let version = self.attribute("specversion");
        if version != "1.0" {
            return Err(Problem::malformed(format!("`specversion` is `{version}`: only CloudEvents 1.0 are taken")));
        }
        for (name, said) in &self.attributes {
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
                let problem = Problem::malformed(format!("`{}` is no name of an attribute", name.escape_debug()));
                return Err(problem.hint("lower-case letters and digits"));
            }
            if said.len() > MOST || said.chars().any(char::is_control) {
                let why = format!("the attribute `{name}` has more than {MOST} bytes, or a control character");
                return Err(Problem::malformed(why));
            }
        }
        let time = self.attribute("time");
        if !time.is_empty() && Timestamp::parse(time).is_none() {
            return Err(Problem::malformed(format!("`time` is `{time}`, and no time of RFC 3339")));
        }
        let kind = self.attribute("datacontenttype");
        if !kind.is_empty() && !is_json(kind) {
            return Err(not_json(&format!("`{kind}`")));
        }
        Ok(self)
    }
}

/// What every event has.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

/// Attributes that the specification names: texts.
const KNOWN: [&str; 8] = ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"];

fn not_json(what: &str) -> Problem {
    let detail = format!("the data are {what}: only JSON is taken");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "malformed", detail)
}

/// A media type without its parameters, in lower case.
fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(kind: &str) -> bool {
    let kind = essence(kind);
    kind == "application/json" || kind == "text/json" || kind.ends_with("+json")
}

/// The value of a `ce-` header: quotes taken off, `%` escapes read as UTF-8.
fn decoded(sent: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(sent.len());
    let quoted = sent.len() >= 2 && sent.starts_with(b"\"") && sent.ends_with(b"\"");
    let mut rest = if quoted { sent.get(1..sent.len() - 1)? } else { sent }.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' if quoted => rest.next()?,
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(rest.next()?)? * 16 + digit(rest.next()?)?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}
