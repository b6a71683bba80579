//! Which payment is to be given back, and how much of it: from the payments that were read, never from the message alone.

use serde::{Deserialize, Serialize};

use crate::words::money;

/// What the message asks for, as a model read it.
#[derive(Clone, Debug, Deserialize)]
pub struct Asked {
    wants_refund: bool,
    /// Ids of payments or orders.
    named: Vec<String>,
    amounts_cents: Vec<i64>,
    reason: String,
}

/// A payment of the customer, as the records have it.
#[derive(Clone, Debug, Deserialize)]
pub struct Payment {
    id: String,
    order_id: Option<String>,
    what: String,
    amount_cents: i64,
    currency: String,
    refunded_cents: i64,
    paid_at: String,
}

impl Payment {
    /// One line for people.
    pub fn line(&self) -> String {
        format!("{} {}, {}, {}", self.id, self.what, money(self.amount_cents, &self.currency), self.paid_at)
    }

    fn left(&self) -> i64 {
        self.amount_cents - self.refunded_cents
    }
}

/// A refund to be judged, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proposal {
    /// Whether there is one.
    pub refund: bool,
    /// Empty if there is none.
    pub payment_id: String,
    /// In the smallest unit of the payment's currency; 0 if there is none.
    pub amount_cents: i64,
    /// What the message gives as its reason.
    pub reason: String,
    /// `clear`, or what stands in the way.
    pub why: &'static str,
}

/// Proposes a refund only if one payment is meant beyond doubt, and `verified` says that the customer wrote.
pub fn assess(asked: &Asked, payments: &[Payment], verified: bool) -> Proposal {
    let found = match (asked.wants_refund, verified) {
        (false, _) => Err("not_asked"),
        (true, false) => Err("not_verified"),
        // A payment that somebody else may have made is for people, whatever is named.
        (true, true) if asked.reason == "not_recognised" => Err("disputed"),
        (true, true) => meant(asked, payments),
    };
    let reason = asked.reason.clone();
    match found {
        Ok((payment, amount_cents)) => {
            Proposal { refund: true, payment_id: payment.id.clone(), amount_cents, reason, why: "clear" }
        }
        Err(why) => Proposal { refund: false, payment_id: String::new(), amount_cents: 0, reason, why },
    }
}

/// The payment that is meant and how much of it, or why that is not clear.
fn meant<'p>(asked: &Asked, payments: &'p [Payment]) -> Result<(&'p Payment, i64), &'static str> {
    let is_named = |payment: &Payment| {
        asked.named.iter().any(|name| *name == payment.id || Some(name) == payment.order_id.as_ref())
    };
    // Also of a customer who paid only once, nobody knows that it is this payment that is meant.
    if asked.named.is_empty() && asked.amounts_cents.is_empty() {
        return Err("not_named");
    }
    let fits = |payment: &&Payment| match asked.named.is_empty() {
        false => is_named(payment),
        true => asked.amounts_cents.contains(&payment.amount_cents),
    };
    let fitting: Vec<&Payment> = payments.iter().filter(fits).collect();
    let twice = asked.reason == "duplicate";
    let payment = match fitting.as_slice() {
        [] => return Err("not_found"),
        [one] if twice && !has_twin(one, payments) => return Err("not_twice"),
        [one] => *one,
        // The same thing for the same price: of a pair the later one is the mistake.
        [first, others @ ..] if twice && others.iter().all(|other| is_twin(first, other)) => {
            fitting.iter().max_by(|a, b| a.paid_at.cmp(&b.paid_at)).copied().unwrap_or(first)
        }
        _ => return Err("several"),
    };
    match (payment.left(), asked.amounts_cents.as_slice()) {
        (left, _) if left <= 0 => Err("refunded_before"),
        // Who names the payment may ask for a part of it.
        (left, [part]) if is_named(payment) && *part > left => Err("more_than_paid"),
        (_, [part]) if is_named(payment) && *part > 0 => Ok((payment, *part)),
        (left, _) => Ok((payment, left)),
    }
}

fn has_twin(payment: &Payment, payments: &[Payment]) -> bool {
    payments.iter().any(|other| other.id != payment.id && is_twin(payment, other))
}

fn is_twin(one: &Payment, other: &Payment) -> bool {
    one.amount_cents == other.amount_cents && one.what == other.what
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(id: &str, what: &str, amount_cents: i64, refunded_cents: i64) -> Payment {
        let paid_at = format!("2026-10-0{}", id.len());
        Payment {
            id: id.into(),
            order_id: Some(format!("O{id}")),
            what: what.into(),
            amount_cents,
            currency: "USD".into(),
            refunded_cents,
            paid_at,
        }
    }

    fn said(named: &[&str], amounts: &[i64], reason: &str) -> String {
        let payments = [
            payment("a", "plan", 3000, 0),
            payment("bb", "plan", 3000, 0),
            payment("ccc", "card", 500, 500),
            payment("dddd", "seat", 62_000, 2_000),
        ];
        let asked = Asked {
            wants_refund: true,
            named: named.iter().map(|name| (*name).to_owned()).collect(),
            amounts_cents: amounts.to_vec(),
            reason: reason.into(),
        };
        let proposal = assess(&asked, &payments, true);
        format!("{} {} {}", proposal.why, proposal.payment_id, proposal.amount_cents)
    }

    #[test]
    fn one_payment_must_be_meant_beyond_doubt() {
        assert_eq!(said(&["dddd"], &[], "other"), "clear dddd 60000");
        assert_eq!(said(&["Odddd"], &[10_000], "other"), "clear dddd 10000");
        assert_eq!(said(&["dddd"], &[62_000], "other"), "more_than_paid  0");
        assert_eq!(said(&[], &[62_000], "other"), "clear dddd 60000");
        assert_eq!(said(&[], &[3000], "other"), "several  0");
        assert_eq!(said(&[], &[3000], "duplicate"), "clear bb 3000");
        assert_eq!(said(&["a"], &[], "duplicate"), "clear a 3000");
        assert_eq!(said(&[], &[62_000], "duplicate"), "not_twice  0");
        assert_eq!(said(&["ccc"], &[], "other"), "refunded_before  0");
        assert_eq!(said(&["zzz"], &[3000], "other"), "not_found  0");
        assert_eq!(said(&[], &[999], "other"), "not_found  0");
        assert_eq!(said(&[], &[], "other"), "not_named  0");
        assert_eq!(said(&["dddd"], &[], "not_recognised"), "disputed  0");
    }

    #[test]
    fn nothing_is_given_back_that_nobody_asked_for_or_to_somebody_who_is_not_known() {
        let payments = [payment("a", "plan", 3000, 0)];
        let asked =
            Asked { wants_refund: false, named: vec!["a".into()], amounts_cents: vec![], reason: "other".into() };
        assert_eq!(assess(&asked, &payments, true).why, "not_asked");
        assert_eq!(assess(&Asked { wants_refund: true, ..asked }, &payments, false).why, "not_verified");
    }
}
