//! Models that speak Anthropic's Messages: `POST {base_url}/messages`.
//!
//! A stream ends with `message_stop`, after a `stop_reason`. Where `system` has edges, each is a point up to which the provider may
//! keep what it read. What a model thought comes with a signature and goes back as it came, beside what it said.

use kernel::{
    context::{Offer, Proposed, Returned, Turn},
    workflow::model::{Dialect, Effort},
};
use serde_json::{Map as Object, Value as Json, json};

use super::{
    capabilities::{Told, forced},
    remote::{
        Speaks,
        ask::{Ask, object},
        heard::Listen,
    },
};

mod said;

/// Anthropic's Messages.
pub(crate) struct Anthropic;

/// So many points of a request can be kept.
const MOST_EDGES: usize = 4;
/// The smallest number of tokens for thinking that is taken.
const LEAST_BUDGET: u32 = 1024;

impl Speaks for Anthropic {
    fn dialect(&self) -> Dialect {
        Dialect::Anthropic
    }

    fn key(&self) -> (&'static str, &'static str) {
        ("x-api-key", "")
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    fn body(&self, ask: &mut Ask<'_>) -> Json {
        let mut body = Object::new();
        body.insert("model".to_owned(), (*ask.spec.model).into());
        body.insert("max_tokens".to_owned(), ask.spec.max_tokens.into());
        body.insert("stream".to_owned(), true.into());
        if let Some(system) = system(&ask.system(), &ask.request.edges) {
            body.insert("system".to_owned(), system);
        }
        body.insert("messages".to_owned(), messages(ask).into());
        let effort = ask.effort();
        let mut output = Object::new();
        let thinking = effort.and_then(|effort| thinking(ask, effort, &mut output));
        let thinks = thinking.is_some() || ask.thinks(effort);
        if let Some(thinking) = thinking {
            body.insert("thinking".to_owned(), thinking);
        }
        if let Some(temperature) = ask.temperature(effort) {
            body.insert("temperature".to_owned(), temperature.into());
        }
        if let Some(schema) = ask.answer_schema() {
            output.insert("format".to_owned(), json!({ "type": "json_schema", "schema": schema }));
        }
        if !output.is_empty() {
            body.insert("output_config".to_owned(), output.into());
        }
        if !ask.request.offers.is_empty() {
            body.insert("tools".to_owned(), tools(ask).into());
            let choice = if ask.forces(thinks) { forced(Dialect::Anthropic) } else { "auto" };
            body.insert("tool_choice".to_owned(), json!({ "type": choice }));
        }
        body.into()
    }

    fn listen(&self) -> Box<dyn Listen> {
        Box::<said::Said>::default()
    }
}

/// The system text, in blocks that end at its edges; the last of them are kept.
fn system(text: &str, edges: &[usize]) -> Option<Json> {
    if text.is_empty() {
        return None;
    }
    let (mut blocks, mut from) = (Vec::new(), 0);
    for &edge in edges {
        // A block of white space alone is refused: it goes with what follows.
        if let Some(block) = text.get(from..edge).filter(|block| !block.trim().is_empty()) {
            blocks.push((block, true));
            from = edge;
        }
    }
    match text.get(from..).filter(|rest| !rest.is_empty()) {
        Some(rest) if rest.trim().is_empty() => {}
        Some(rest) => blocks.push((rest, false)),
        None => {}
    }
    if let [(block, false)] = blocks[..] {
        return Some(block.into());
    }
    let first = blocks.iter().filter(|(_, edge)| *edge).count().saturating_sub(MOST_EDGES);
    let mut nth = 0;
    let blocks = blocks.into_iter().map(|(text, edge)| {
        nth += usize::from(edge);
        if edge && nth > first {
            json!({ "type": "text", "text": text, "cache_control": { "type": "ephemeral" } })
        } else {
            json!({ "type": "text", "text": text })
        }
    });
    Some(blocks.collect())
}

/// How the model is told to think; the effort itself may stand elsewhere.
fn thinking(ask: &mut Ask<'_>, effort: Effort, output: &mut Object<String, Json>) -> Option<Json> {
    if effort == Effort::None {
        return None;
    }
    if ask.row.told == Told::Adaptive {
        output.insert("effort".to_owned(), effort.as_str().into());
        return Some(json!({ "type": "adaptive" }));
    }
    let wanted = match effort {
        Effort::None | Effort::Minimal | Effort::Low => LEAST_BUDGET,
        Effort::Medium => 4096,
        Effort::High | Effort::Xhigh | Effort::Max => 16_384,
    };
    // What is thought counts as output: the cap is larger, or there is no room.
    let budget = wanted.min(ask.spec.max_tokens / 2);
    if budget < LEAST_BUDGET {
        let cap = ask.spec.max_tokens;
        ask.adapt(format!(
            "`effort: {}` was left out: of `max_tokens: {cap}` too little is left to think",
            effort.as_str()
        ));
        return None;
    }
    Some(json!({ "type": "enabled", "budget_tokens": budget }))
}

fn tools(ask: &mut Ask<'_>) -> Vec<Json> {
    let offers = ask.request.offers.clone();
    let tool = |(nth, offer): (usize, &Offer)| {
        let (schema, strict) = ask.offer_schema(nth);
        let mut tool = json!({ "name": &*offer.name, "description": &*offer.says, "input_schema": schema });
        if strict {
            tool["strict"] = true.into();
        }
        tool
    };
    offers.iter().enumerate().map(tool).collect()
}

/// The ask and what followed it. Two messages of the same side are one.
fn messages(ask: &mut Ask<'_>) -> Vec<Json> {
    let mut sides: Vec<(&str, Vec<Json>)> = vec![("user", words(&ask.request.user).collect())];
    let request = ask.request;
    for turn in &request.turns {
        let (side, blocks) = match turn {
            Turn::Said { model, text, proposed, echo } => {
                let names = |echo: &Json| said::calls(echo.as_array().map(Vec::as_slice).unwrap_or_default());
                let names = |echo: &Json| names(echo).into_iter().map(|call| call.name).collect();
                let echo = ask.echo((model, echo.as_ref()), proposed, names);
                let blocks = match echo {
                    Some(Json::Array(blocks)) => named(blocks, proposed),
                    _ => {
                        let calls = proposed.iter().map(|one| {
                            let input = object(&ask.arguments(one));
                            json!({ "type": "tool_use", "id": &*one.id, "name": &*one.name, "input": input })
                        });
                        words(text).chain(calls).collect()
                    }
                };
                ("assistant", blocks)
            }
            Turn::Returned(results) => ("user", results.iter().map(result).collect()),
            Turn::Told(text) => ("user", words(text).collect()),
        };
        match sides.last_mut().filter(|(last, _)| *last == side) {
            Some((_, all)) => all.extend(blocks),
            None if blocks.is_empty() => {}
            None => sides.push((side, blocks)),
        }
    }
    sides.into_iter().map(|(side, blocks)| json!({ "role": side, "content": blocks })).collect()
}

/// What goes back as it came, under the names that we know its uses of tools by.
fn named(mut blocks: Vec<Json>, proposed: &[Proposed]) -> Vec<Json> {
    let uses = blocks.iter_mut().filter(|block| block["type"] == "tool_use");
    for (block, one) in uses.zip(proposed) {
        block["id"] = (*one.id).into();
        if !block["input"].is_object() {
            block["input"] = object(&one.arguments);
        }
    }
    blocks
}

/// A block of text, unless it is blank: those are refused.
fn words(text: &str) -> impl Iterator<Item = Json> + use<> {
    (!text.trim().is_empty()).then(|| json!({ "type": "text", "text": text })).into_iter()
}

fn result(Returned { id, text, failed, .. }: &Returned) -> Json {
    let mut block = json!({ "type": "tool_result", "tool_use_id": &**id, "content": &**text });
    if *failed {
        block["is_error"] = true.into();
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_text_ends_its_blocks_at_its_edges() {
        let kept = |text: &str, edges: &[usize]| system(text, edges).map(|system| system.to_string());
        assert_eq!(kept("", &[]), None);
        assert_eq!(kept("one two", &[]).as_deref(), Some(r#""one two""#));
        assert_eq!(
            kept("one\n\ntwo", &[3, 8]).as_deref(),
            Some(
                r#"[{"type":"text","text":"one","cache_control":{"type":"ephemeral"}},{"type":"text","text":"\n\ntwo","cache_control":{"type":"ephemeral"}}]"#
            )
        );
        assert_eq!(
            kept("one two", &[3]).as_deref(),
            Some(
                r#"[{"type":"text","text":"one","cache_control":{"type":"ephemeral"}},{"type":"text","text":" two"}]"#
            )
        );
        // Beyond the text, and within a letter: no edge.
        assert_eq!(kept("é", &[1, 9]).as_deref(), Some(r#""é""#));
        let many = kept("abcdef", &[1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(many.matches("ephemeral").count(), MOST_EDGES);
        assert!(many.starts_with(r#"[{"type":"text","text":"a"},{"type":"text","text":"b"},"#), "{many}");
    }
}
