//! Messages that ask for several things at once: which things, and the planner of the demonstration, which is no language model.
//!
//! The planner writes a plan as a language model would, from what it is shown, and its plan goes the same way: validated, judged by the
//! rules, looked at by people.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use surefoot::{Failure, FailureKind, ModelRequest, Provider, Reply, Usage, Value, rules::words::words_of};

/// Something that a message may ask for beside other things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    /// Money back.
    Refund,
    /// An order once more, in its place.
    Exchange,
    /// Parcels to another address.
    Address,
}

/// What a message is looked at for.
#[derive(Debug, Deserialize)]
pub struct Body {
    /// Its text, with card numbers masked.
    pub body: String,
}

/// Which things it asks for.
#[derive(Debug, PartialEq, Serialize)]
pub struct Asked {
    /// Each once.
    pub things: Vec<Thing>,
    /// Whether one desk alone cannot do it.
    pub several: bool,
}

/// Finds the things in a message, by words: each in one sentence, with what it is about.
pub fn asked(message: &Body) -> Asked {
    let body = &*message.body;
    let all = [
        (Thing::Refund, sentences(body).any(is_refund)),
        (Thing::Exchange, sentences(body).any(is_exchange)),
        (Thing::Address, address(body).is_some()),
    ];
    let things: Vec<Thing> = all.into_iter().filter_map(|(thing, found)| found.then_some(thing)).collect();
    Asked { several: things.len() > 1, things }
}

fn sentences(body: &str) -> impl Iterator<Item = &str> {
    body.split('\n').flat_map(|line| line.split(". "))
}

/// Whether one of the phrases stands in the sentence, as whole words.
fn says(sentence: &str, phrases: &[&str]) -> bool {
    let words = format!(" {} ", words_of(sentence).join(" "));
    phrases.iter().any(|phrase| words.contains(&format!(" {phrase} ")))
}

fn is_refund(sentence: &str) -> bool {
    says(sentence, &["refund", "refunded", "give back", "money back", "reimburse", "pay back"])
}

/// Only with the order that it is about: an exchange rate is none.
fn is_exchange(sentence: &str) -> bool {
    says(sentence, &["exchange", "replace", "replacement", "swap"]) && numbered(sentence, "ORD-").is_some()
}

/// The first id in the sentence that begins so.
fn numbered(sentence: &str, start: &str) -> Option<String> {
    let upper = sentence.to_uppercase();
    let digits: String = upper.split_once(start)?.1.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then(|| format!("{start}{digits}"))
}

/// The postal address that parcels are to go to: what stands behind "new address is", up to the end of the line.
fn address(body: &str) -> Option<String> {
    let lower = body.to_lowercase();
    let starts = ["new address is", "new address:", "my address to", "the address to"];
    let at = starts.iter().filter_map(|start| Some(lower.find(start)? + start.len())).min()?;
    // Letters that are longer in lower case move the place.
    let line = body.get(at..)?.lines().next()?.trim().trim_end_matches(['.', '!']).trim();
    (line.len() >= 8 && line.contains(|c: char| c.is_ascii_digit())).then(|| line.to_owned())
}

/// What the step `work` shows.
#[derive(Deserialize)]
struct Shown {
    customer_id: String,
    run: String,
    at: String,
    payments: Vec<Payment>,
    body: String,
}

#[derive(Deserialize)]
struct Payment {
    id: String,
    order_id: Option<String>,
    amount_cents: i64,
    refunded_cents: i64,
}

/// The provider. The same request always gets the same answer.
#[derive(Clone, Copy, Debug)]
pub struct Planner;

#[async_trait]
impl Provider for Planner {
    async fn ask(&self, request: &ModelRequest) -> Reply {
        let planned = plan(request).and_then(|plan| Value::from_json(plan.to_string().as_bytes()).map_err(text));
        let failed = |why: String| Failure::inside(FailureKind::Internal, format!("the planner: {why}"));
        Reply::of(planned.map_err(failed), Usage::default(), None)
    }
}

fn plan(request: &ModelRequest) -> Result<Json, String> {
    let shown: Shown = serde_json::from_slice(&request.data.to_jcs()).map_err(text)?;
    // It has one plan. When that was not carried out, people say what is to be done.
    if request.step.as_str().contains('~') {
        return Ok(json!({ "goal": "Nothing more: people say what is left to do", "actions": [] }));
    }
    Ok(json!({ "goal": "All that the message asks for is done", "actions": actions(&shown) }))
}

fn actions(shown: &Shown) -> Vec<Json> {
    let Shown { customer_id, run, at, payments, body } = shown;
    let address = address(body);
    let mut actions = Vec::new();
    for sentence in sentences(body).filter(|sentence| is_refund(sentence)) {
        let named = [numbered(sentence, "PAY-"), numbered(sentence, "ORD-")];
        let meant = payments.iter().find(|one| named.contains(&Some(one.id.clone())) || is_of(one, &named));
        let Some(payment) = meant.filter(|payment| payment.amount_cents > payment.refunded_cents) else { continue };
        let with = json!({
            "payment_id": payment.id, "customer_id": customer_id, "reason": "asked for",
            "amount_cents": payment.amount_cents - payment.refunded_cents, "run": run, "at": at,
        });
        actions.push(("billing.refund", with, sentence));
    }
    for sentence in sentences(body).filter(|sentence| is_exchange(sentence)) {
        let Some(order) = numbered(sentence, "ORD-") else { continue };
        let with = json!({ "order_id": order, "customer_id": customer_id, "run": run, "at": at });
        actions.push(("orders.exchange", with, sentence));
    }
    if let Some(address) = &address {
        let with = json!({ "customer_id": customer_id, "address": address, "run": run, "at": at });
        // What is sent again goes to the new address.
        actions.insert(0, ("orders.ship_to", with, address));
    }
    let as_json = |(place, (act, with, why)): (usize, (&str, Json, &str))| json!({ "id": format!("a{}", place + 1), "act": act, "with": with, "why": format!("it says: {}", why.trim()), "needs": [] });
    actions.into_iter().enumerate().map(as_json).collect()
}

/// Whether the order that was paid so is among these.
fn is_of(payment: &Payment, named: &[Option<String>]) -> bool {
    payment.order_id.is_some() && named.contains(&payment.order_id)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn things(body: &str) -> Vec<Thing> {
        asked(&Body { body: body.to_owned() }).things
    }

    #[test]
    fn several_things_are_found_in_one_message() {
        let three = "Please refund PAY-20005. Please exchange order ORD-20004, it broke.\nMy new address is 4 Quay Street, Harbour 1070.";
        assert_eq!(things(three), [Thing::Refund, Thing::Exchange, Thing::Address]);
        assert_eq!(address(three).as_deref(), Some("4 Quay Street, Harbour 1070"));
        assert_eq!(things("Could you refund the second payment?"), [Thing::Refund]);
        // Words alone are none: an exchange has an order, an address a number.
        for body in
            ["What is your exchange rate?", "Can I replace my card?", "How do I change my address to a new one?", ""]
        {
            assert_eq!(things(body), [], "{body}");
        }
    }

    #[test]
    fn a_plan_has_what_is_named_and_nothing_else() {
        let payments = |left: i64| {
            vec![Payment {
                id: "PAY-1".into(),
                order_id: Some("ORD-1".into()),
                amount_cents: 500,
                refunded_cents: 500 - left,
            }]
        };
        let acts = |body: &str, left: i64| -> Vec<(Json, Json)> {
            let [customer_id, run, at] = ["C-1", "run", "t"].map(str::to_owned);
            let shown = Shown { customer_id, run, at, payments: payments(left), body: body.to_owned() };
            actions(&shown).into_iter().map(|one| (one["act"].clone(), one["with"].clone())).collect()
        };
        let both = "I want a refund of ord-1.\nMy new address is 4 Quay Street.";
        let moved = json!({ "address": "4 Quay Street", "customer_id": "C-1", "run": "run", "at": "t" });
        let back = json!({
            "payment_id": "PAY-1", "amount_cents": 300, "reason": "asked for", "customer_id": "C-1", "run": "run", "at": "t",
        });
        assert_eq!(acts(both, 300), [("orders.ship_to".into(), moved), ("billing.refund".into(), back)]);
        // Nothing is left of it, or it is nobody's payment: people look.
        assert_eq!(acts("Please refund PAY-1.", 0), []);
        assert_eq!(acts("Please refund PAY-2, and my money back.", 300), []);
    }
}
