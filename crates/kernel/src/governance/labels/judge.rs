//! What the arguments of an action carry at the moment it is judged: `trust:` and allow-lists are asked about the values.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{ActLabels, Origin, TrustRef, UNTRUSTED, allow};
use crate::{expr::Expr, values::Value};

/// How the arguments of one action stand when it is judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Now {
    /// All that the arguments carry, after every `trust:` that holds.
    pub labels: BTreeSet<Arc<str>>,
    /// The control arguments that are untrusted and on no allow-list, with where they come from.
    pub control_untrusted: BTreeMap<Arc<str>, Origin>,
    /// For an operator: each `trust:` that does not hold and each control argument above, a sentence each.
    pub reasons: Vec<String>,
}

/// What an expression gives: its value, or why it has none; then nothing is tied to it.
type Given = Result<Value, String>;

impl ActLabels {
    /// How the arguments stand. `value_of` evaluates an expression in the frame of the action; `with` is what is sent.
    ///
    /// # Errors
    /// Those of `value_of`: a value that is not at hand yet. That an expression fails is none: what it would tie stays untrusted.
    pub fn judge<E>(&self, value_of: &dyn Fn(&Expr) -> Result<Given, E>, with: &Value) -> Result<Now, E> {
        let mut now = Now::default();
        let mut held = BTreeMap::new();
        for (key, tied) in &self.all.tied {
            let why = refusal(&tied.trust, value_of)?;
            now.reasons.extend(why.as_ref().map(|why| format!("`{key}` is not trusted: {why}")));
            held.insert(key.clone(), why.is_none());
        }
        let settled = |origin: &Origin| {
            let mut origin = origin.clone();
            origin.tied.retain(|key, _| !held.get(key).copied().unwrap_or(false));
            origin.untie(&|_| true);
            origin
        };
        now.labels = settled(&self.all).words();
        for argument in &self.control {
            let Some(origin) = self.control_origin(argument).map(settled) else { continue };
            let Some(value) = with.get(argument).filter(|value| !value.is_null()) else { continue };
            let allowed = self.allow_list.get(argument).is_some_and(|list| allow::allows(list, value));
            if origin.is_untrusted() && !allowed {
                now.reasons.push(format!(
                    "`{argument}` of `{}` comes from {}",
                    self.action,
                    listed(&origin, UNTRUSTED)
                ));
                now.control_untrusted.insert(argument.clone(), origin);
            }
        }
        Ok(now)
    }
}

/// Where a label came in, in a few words.
fn listed(origin: &Origin, label: &str) -> String {
    let sources: Vec<String> =
        origin.labels.get(label).into_iter().flatten().map(|source| format!("`{source}`")).collect();
    format!("{}, which is {label}", sources.join(", "))
}

/// Why a field is not tied to trusted data now.
fn refusal<E>(trust: &TrustRef, value_of: &dyn Fn(&Expr) -> Result<Given, E>) -> Result<Option<String>, E> {
    let value = match value_of(&trust.value)? {
        Ok(value) => value,
        Err(why) => return Ok(Some(why)),
    };
    if value.is_null() {
        return Ok(Some("it is none".to_owned()));
    }
    if let Some(list) = &trust.within {
        match value_of(list)? {
            Ok(Value::List(items)) => {
                let one = |value: &Value| items.contains(value);
                let all = match &value {
                    Value::List(values) => values.iter().all(one),
                    value => one(value),
                };
                if !all {
                    return Ok(Some(format!("it is not in `{}`", list.source())));
                }
            }
            Ok(other) => return Ok(Some(format!("`{}` gave {}, no list", list.source(), other.kind()))),
            Err(why) => return Ok(Some(why)),
        }
    }
    if let Some(bound) = &trust.at_most {
        match value_of(bound)? {
            Ok(most) => {
                if !number(&value).zip(number(&most)).is_some_and(|(value, most)| value <= most) {
                    return Ok(Some(format!("it is not at most `{}`", bound.source())));
                }
            }
            Err(why) => return Ok(Some(why)),
        }
    }
    Ok(None)
}

/// Whole numbers are at most 2^53, so that none is rounded.
fn number(value: &Value) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "a whole number is at most MAX_INT from zero: held by Value")]
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}
