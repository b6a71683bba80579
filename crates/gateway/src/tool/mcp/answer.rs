//! From the result of a call to a value. What a server gives is data: nothing that it links to is fetched.

use kernel::{
    recovery::{FailureKind, Phase},
    values::Value,
};
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};

use super::failure;
use crate::{Outcome, secret::Scrubber, tool::http::lenient};

/// What a result means: the structured content as it is, else a text that is JSON where the server promised JSON, else `{ text }`
/// with the names of what was left out.
pub(super) fn outcome(called: &str, structured: bool, result: &CallToolResult, scrubber: &Scrubber) -> Outcome {
    if result.is_error == Some(true) {
        let detail = format!("{called} says that it failed: the record holds its words");
        let raw = serde_json::to_vec(result).map(|bytes| scrubber.scrub(bytes).into()).ok();
        let failed = failure(FailureKind::ToolRejected, Phase::Answered, detail);
        return Outcome { answer: Err(failed), raw };
    }
    let clean = |json: serde_json::Value| {
        let scrubbed = scrubber.scrub_text(json.to_string());
        lenient(serde_json::from_str(&scrubbed).unwrap_or(json))
    };
    if let Some(json) = &result.structured_content {
        return Outcome { answer: Ok(clean(json.clone())), raw: None };
    }
    let (mut texts, mut left_out, mut resources) = (Vec::new(), Vec::new(), Vec::new());
    for block in &result.content {
        match block {
            ContentBlock::Text(text) => texts.push(text.text.clone()),
            ContentBlock::Image(image) => left_out.push(format!("an image, {}", image.mime_type)),
            ContentBlock::Audio(audio) => left_out.push(format!("a sound, {}", audio.mime_type)),
            ContentBlock::ResourceLink(link) => left_out.push(format!("a link to {}", link.uri)),
            ContentBlock::Resource(resource) => match &resource.resource {
                ResourceContents::TextResourceContents { uri, text, .. } => resources.push((uri.clone(), text.clone())),
                ResourceContents::BlobResourceContents { uri, .. } => left_out.push(format!("bytes of {uri}")),
                _ => left_out.push("a resource".to_owned()),
            },
            _ => left_out.push("something else".to_owned()),
        }
    }
    let text = texts.join("\n");
    if structured {
        return match serde_json::from_str(&text) {
            Ok(json) => Outcome { answer: Ok(clean(json)), raw: None },
            Err(_) => {
                let detail = format!("{called} promised JSON and gave something else");
                let raw = Some(scrubber.scrub(text.into_bytes()).into());
                Outcome { answer: Err(failure(FailureKind::ContractViolated, Phase::Answered, detail)), raw }
            }
        };
    }
    let text_of = |text: String| Value::from(scrubber.scrub_text(text));
    let mut value = vec![("text", text_of(text))];
    if !resources.is_empty() {
        let one = |(uri, text)| Value::map([("uri", text_of(uri)), ("text", text_of(text))]);
        value.push(("resources", Value::list(resources.into_iter().map(one))));
    }
    if !left_out.is_empty() {
        value.push(("left_out", Value::list(left_out.into_iter().map(text_of))));
    }
    Outcome { answer: Ok(Value::map(value)), raw: None }
}
