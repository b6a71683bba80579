//! A whole answer: what the model said and proposed, or why that is none.

use std::sync::Arc;

use kernel::{
    context::{ModelRequest, Proposed, Said, Turn},
    recovery::{Failure, FailureKind},
    values::Value,
    workflow::model::Remote,
};

use super::{
    answered,
    forms::Forms,
    heard::{Arguments, Call, Ended, Heard},
    maybe_sent,
};
use crate::{Reply, model::tolerant::in_words, secret::Scrubber, tool::http::lenient};

/// What is told of an answer that is none.
pub(super) fn failed(heard: Heard, failure: Failure, scrubber: &Scrubber) -> Reply {
    let (usage, said) = (heard.usage, said(&heard, scrubber));
    Reply { said, ..Reply::of(Err(failure), usage, None) }
}

/// What is told of a whole answer.
pub(super) fn judge(
    (spec, of, forms): (&Remote, &str, &Forms),
    heard: Heard,
    request: &ModelRequest,
    scrubber: &Scrubber,
) -> Reply {
    let (usage, mut said) = (heard.usage, said(&heard, scrubber));
    if let Err(failure) = ended((spec, of), &heard, said.stop.as_deref()) {
        return Reply { said, ..Reply::of(Err(failure), usage, None) };
    }
    let text = scrubber.scrub_text(heard.text);
    if !request.offers.is_empty() {
        said.echo = heard.echo.and_then(|echo| echoed(spec, &echo, scrubber));
        let proposed = proposed(forms, heard.calls, request, (scrubber, &mut said));
        return Reply { proposed, said, ..Reply::of(Ok(Value::text(text)), usage, None) };
    }
    if !heard.calls.is_empty() && text.trim().is_empty() {
        let detail = format!("{of} called a tool instead of answering, and was offered none");
        return Reply { said, ..Reply::of(Err(answered(FailureKind::InvalidOutput, detail)), usage, None) };
    }
    said.echo = heard.echo.and_then(|echo| echoed(spec, &echo, scrubber));
    let value = value(forms, &text, &mut said);
    Reply { said, ..Reply::of(value, usage, None) }
}

/// Why it ended, if that is no answer.
fn ended((spec, of): (&Remote, &str), heard: &Heard, word: Option<&str>) -> Result<(), Failure> {
    let refused = || answered(FailureKind::Refused, format!("{of} refused"));
    let Some((_, meaning)) = &heard.stop else {
        if !heard.chosen {
            return Err(maybe_sent(FailureKind::ProviderError, format!("{of} answered without any choice")));
        }
        return Err(maybe_sent(FailureKind::ProviderError, format!("{of} does not say why it ended")));
    };
    match meaning {
        Some(Ended::Refused) => Err(answered(FailureKind::Refused, format!("a content filter stopped {of}"))),
        Some(Ended::Truncated) => {
            let cap = spec.max_tokens;
            let detail = format!("the answer of {of} hit its length limit: `max_tokens` is {cap}");
            Err(answered(FailureKind::Truncated, detail))
        }
        Some(Ended::Overflow) => {
            let detail = format!("what {of} was shown and what it said fill its window");
            Err(answered(FailureKind::ContextOverflow, detail))
        }
        Some(Ended::Overloaded) => {
            Err(answered(FailureKind::ProviderOverloaded, format!("{of} is overloaded and broke off")))
        }
        Some(Ended::Broken) => Err(maybe_sent(FailureKind::ProviderError, format!("{of} broke off with an error"))),
        Some(Ended::Malformed) => {
            let detail = format!("{of} wrote something that its server could not read");
            Err(answered(FailureKind::InvalidOutput, detail))
        }
        Some(Ended::Paused) => {
            let detail = format!("{of} waits for something that was not offered to it");
            Err(answered(FailureKind::ContractViolated, detail))
        }
        None => {
            let word = word.unwrap_or_default();
            let detail = format!("{of} ended with `{word}`, and what that means is not known");
            Err(answered(FailureKind::ContractViolated, detail))
        }
        Some(Ended::Complete | Ended::Tools) if !heard.refusal.is_empty() => Err(refused()),
        Some(Ended::Complete | Ended::Tools) if !heard.chosen => {
            Err(maybe_sent(FailureKind::ProviderError, format!("{of} answered without any choice")))
        }
        Some(Ended::Complete | Ended::Tools) => Ok(()),
    }
}

/// The answer in words, or the JSON that it holds.
fn value(forms: &Forms, text: &str, said: &mut Said) -> Result<Value, Failure> {
    let Some(lowered) = &forms.answer else { return Ok(Value::text(text)) };
    let read = lowered.read(text);
    let read = read.map_err(|why| answered(FailureKind::InvalidOutput, format!("the answer is no JSON: {why}")))?;
    said.coerced.extend(in_words(&read.coerced));
    Ok(read.value)
}

/// What the model proposes, in its order; where the provider gives no name for a use, it gets one that no earlier turn has.
fn proposed(
    forms: &Forms,
    calls: Vec<Call>,
    request: &ModelRequest,
    (scrubber, said): (&Scrubber, &mut Said),
) -> Vec<Proposed> {
    let mut count: usize =
        request.turns.iter().map(|turn| if let Turn::Said { proposed, .. } = turn { proposed.len() } else { 0 }).sum();
    let lowered = &forms.offers;
    let mut all = Vec::with_capacity(calls.len());
    for call in calls {
        count += 1;
        let id: Arc<str> = match call.id.filter(|id| !id.is_empty()) {
            Some(id) => scrubber.scrub_text(id).into(),
            None => format!("call_{count}").into(),
        };
        let name: Arc<str> = scrubber.scrub_text(call.name).into();
        let offer = request.offers.iter().position(|offer| offer.name == name).map(|nth| &lowered[nth]);
        let (raw, read) = match call.arguments {
            Arguments::Json(json) => {
                let value = lenient(scrubbed(json, scrubber));
                (value.clone(), offer.map(|offer| offer.take(value)))
            }
            Arguments::Text(text) if text.trim().is_empty() => {
                said.coerced.push(format!("the arguments of {id}: nothing, read as an empty object").into());
                let nothing = Value::map::<Arc<str>>([]);
                (nothing.clone(), offer.map(|offer| offer.take(nothing)))
            }
            Arguments::Text(text) => {
                let text = scrubber.scrub_text(text);
                let read = offer.map(|offer| offer.read(&text));
                (Value::from_json(text.as_bytes()).unwrap_or_else(|_| Value::text(text)), read)
            }
        };
        // What cannot be read stays as it came: it is judged, and the model is told why it does not fit.
        let arguments = match read {
            Some(Ok(read)) => {
                let told = in_words(&read.coerced);
                said.coerced.extend(told.iter().map(|one| Arc::from(format!("the arguments of {id}: {one}"))));
                read.value
            }
            Some(Err(_)) | None => raw,
        };
        all.push(Proposed { id, name, arguments });
    }
    all
}

/// What the provider wants to see again, with the name of whom it is for.
fn echoed(spec: &Remote, echo: &serde_json::Value, scrubber: &Scrubber) -> Option<Value> {
    let parts = Value::from_json(scrubber.scrub_text(echo.to_string()).as_bytes()).ok()?;
    let (dialect, model) = (Value::text(spec.dialect.as_str()), Value::text(spec.model.clone()));
    Some(Value::map([("dialect", dialect), ("model", model), ("parts", parts)]))
}

fn scrubbed(json: serde_json::Value, scrubber: &Scrubber) -> serde_json::Value {
    serde_json::from_str(&scrubber.scrub_text(json.to_string())).unwrap_or_default()
}

fn said(heard: &Heard, scrubber: &Scrubber) -> Said {
    let word = |text: Option<&str>| -> Option<Arc<str>> {
        let text: String = text?.chars().take(200).collect();
        Some(scrubber.scrub_text(text).into())
    };
    Said {
        request_id: word(heard.id.as_deref()),
        model: word(heard.model.as_deref()),
        stop: word(heard.stop.as_ref().map(|(word, _)| word.as_str())),
        ..Said::default()
    }
}
