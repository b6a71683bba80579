//! What a person reads when a run has ended.

use serde_json::Value;
use surefoot::cli::Told;

use crate::{mailroom::Kept, words::money};

/// The lines about a run; none if it has no result.
pub fn lines(told: &Told<'_>, kept: Option<&Kept>) -> Vec<String> {
    let Some(result) = told.result.and_then(|result| serde_json::from_slice::<Value>(&result.to_jcs()).ok()) else {
        return Vec::new();
    };
    let mut lines = outcome(&result);
    lines.extend([&result["reply"], &result["lead"]].into_iter().filter_map(|letter| {
        let id = letter["message_id"].as_str()?;
        let found = kept.and_then(|kept| Some((kept.to(id)?, kept.file(id)?)));
        Some(match found {
            Some((to, file)) => match to.as_slice() {
                [one] => format!("mail      to {one}: {}", file.display()),
                many => format!("mail      to {} recipients: {}", many.len(), file.display()),
            },
            None => format!("mail      accepted by the mail server as {id}"),
        })
    }));
    lines.push(match told.seen.billed {
        0 => {
            "money     $0.00: no model billed a token; put a language model in surefoot.yaml, and nothing else changes"
                .to_owned()
        }
        billed => format!("money     {billed} tokens were billed; what they cost is not known here"),
    });
    let (call, run, place) = (told.call, told.run, told.place);
    lines.push(format!(
        "try       {call} runs why {run} alarm{place}      # what the rules were shown, before any model"
    ));
    lines.push(format!("          {call} runs show {run}{place}"));
    lines
}

/// The outcome: what was decided and why, what moved, what is to go out.
pub fn outcome(result: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("nobody").to_owned();
    let mut lines = vec![format!(
        "thread    {}: {}, queue {}",
        text(&result["thread"]),
        text(&result["status"]),
        text(&result["queue"])
    )];
    lines.push(match result["category"].as_str() {
        Some(category) => format!(
            "sorted    {category}, confidence {:.2}; anger {:.2}",
            result["confidence"].as_f64().unwrap_or(0.0),
            result["anger"].as_f64().unwrap_or(0.0)
        ),
        None => format!(
            "sorted    by nobody: the rules of alarm came first; anger {:.2}",
            result["anger"].as_f64().unwrap_or(0.0)
        ),
    });
    let refund = &result["refund"];
    if let (Some(payment), Some(cents)) = (refund["payment_id"].as_str(), refund["amount_cents"].as_i64()) {
        lines.push(format!("refunded  {} of {payment}", money(cents, refund["currency"].as_str().unwrap_or(""))));
    }
    if let Some(article) = result["article"]["id"].as_str() {
        lines.push(format!("article   {article}, version {}", result["article"]["version"]));
    }
    let reply = &result["reply"];
    lines.push(format!(
        "reply     {} for {} ({})",
        text(&reply["state"]),
        reply["recipient_count"],
        text(&reply["template"])
    ));
    if let Some(why) = reply["unused"].as_str() {
        lines.push(format!("          in fixed words; the writer's draft was not used: {why}"));
    }
    if let Some(why) = reply["why"].as_str() {
        lines.push(format!("          not sent: {why}"));
    }
    let body = text(&reply["body"]);
    lines.extend(body.lines().filter(|line| !line.is_empty()).map(|line| format!("          | {line}")));
    lines.into_iter().map(|line| line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()).collect()
}
