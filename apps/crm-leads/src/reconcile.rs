//! From verified facts of several pages to one claim a field, with its conflicts, and how sure it is.
//!
//! Confidence is a table over (method, agreement, age), fitted on drawn companies by `measure --fit`; the numbers are counts of right and
//! wrong claims. A claim's confidence is the mean of a Beta posterior with Jeffreys' prior, its interval Wilson's (E. B. Wilson, 1927) for
//! the same counts. Pages of one site are one source: what they repeat is no new evidence.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    claim::{Claim, Conflict, Dropped, Field, Method, Verified},
    verify::Checked,
};

/// Right and wrong claims of one kind, as they were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Right ones.
    pub right: f64,
    /// Wrong ones.
    pub wrong: f64,
}

/// `structured/both/fresh` to counts.
pub type Table = BTreeMap<String, Counts>;

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../data/confidence.json")).expect("the table in data is one: held by a test")
});

/// A page's word is old when it speaks of a year so many years ago, or longer.
const OLD_YEARS: i64 = 3;

/// With a conflict nobody is more sure than this.
const CONFLICT: f64 = 0.5;

/// What a claim is in the table.
pub fn kind(method: Method, both: bool, old: bool) -> String {
    let method = if method == Method::Structured { "structured" } else { "prose" };
    format!("{method}/{}/{}", if both { "both" } else { "one" }, if old { "old" } else { "fresh" })
}

/// Mean of the posterior and 90 % interval.
pub fn sureness(counts: Counts) -> (f64, [f64; 2]) {
    let n = counts.right + counts.wrong;
    let mean = (counts.right + 0.5) / (n + 1.0);
    let z = 1.645_f64;
    // With Jeffreys' half counts the interval of nothing known is wide and finite.
    let (n, p) = (n + 1.0, mean);
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    (mean, [(middle - half).max(0.0).min(mean), (middle + half).min(1.0).max(mean)])
}

/// All that is known of one company.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// One claim a field at most, in the order of [`Field::ALL`].
    pub claims: Vec<Claim>,
    /// Facts that were not believed.
    pub dropped: Vec<Dropped>,
    /// Pages on which something speaks to a machine, and what.
    pub instructions: Vec<(String, String)>,
    /// Fields of which no page says anything that stands.
    pub missing: Vec<Field>,
}

/// Brings together what was verified. `year` is that in which the run was started.
pub fn reconcile(pages: &[Checked], year: i64) -> Known {
    let mut known = Known::default();
    for page in pages {
        known.dropped.extend(page.dropped.iter().cloned());
        known.instructions.extend(page.instructions.iter().map(|line| (page.url.clone(), line.clone())));
    }
    for field in Field::ALL {
        let facts: Vec<&Verified> =
            pages.iter().flat_map(|page| &page.accepted).filter(|fact| fact.field == field).collect();
        match claim(field, &facts, year, known.claims.len() + 1) {
            Some(claim) => known.claims.push(claim),
            None => known.missing.push(field),
        }
    }
    known
}

fn claim(field: Field, facts: &[&Verified], year: i64, number: usize) -> Option<Claim> {
    let old = |fact: &Verified| fact.as_of_year.is_some_and(|of| year - of >= OLD_YEARS);
    // The best first: what is fresh, what machines were meant to read, what most pages say.
    let mut groups: Vec<(String, Vec<&Verified>)> = Vec::new();
    for fact in facts {
        let same = normal(&fact.value);
        match groups.iter_mut().find(|(value, _)| *value == same || (field.is_list())) {
            Some((_, group)) => group.push(fact),
            None => groups.push((same, vec![fact])),
        }
    }
    let rank = |group: &[&Verified]| {
        let fresh = group.iter().any(|fact| !old(fact));
        let structured = group.iter().any(|fact| fact.method == Method::Structured);
        let ceiling = group.iter().map(|fact| fact.ceiling).fold(0.0, f64::max);
        (fresh, structured, ceiling, group.len())
    };
    groups.sort_by(|(_, one), (_, other)| rank(other).partial_cmp(&rank(one)).unwrap_or(std::cmp::Ordering::Equal));
    let ((_, best), others) = groups.split_first()?;
    let structured = best.iter().any(|fact| fact.method == Method::Structured);
    let both = structured && best.iter().any(|fact| fact.method == Method::Prose);
    let method = if structured { Method::Structured } else { Method::Prose };
    let is_old = best.iter().all(|fact| old(fact));
    let kind = kind(method, both, is_old);
    let counts = TABLE.get(&kind).copied().unwrap_or_default();
    let (mut confidence, mut ci) = sureness(counts);
    // What a reader says of itself may only lower it.
    let ceiling = best.iter().map(|fact| fact.ceiling).fold(0.0, f64::max);
    let conflicts: Vec<Conflict> = match describes(field) {
        true => Vec::new(),
        false => others
            .iter()
            .filter_map(|(_, group)| group.first())
            .filter(|fact| !may_both_hold(&fact.value, &best[0].value))
            .map(|fact| Conflict { value: fact.value.clone(), evidence: fact.evidence.clone() })
            .collect(),
    };
    let most = if conflicts.is_empty() { ceiling } else { ceiling.min(CONFLICT) };
    confidence = confidence.min(most);
    ci = [ci[0].min(confidence), ci[1].min(most).max(confidence)];
    let mut evidence: Vec<_> = best.iter().map(|fact| fact.evidence.clone()).collect();
    evidence.dedup_by(|one, other| one.url == other.url && one.quote == other.quote);
    let mut urls: Vec<&str> = evidence.iter().map(|evidence| &*evidence.url).collect();
    urls.sort_unstable();
    urls.dedup();
    let pages = urls.len();
    evidence.truncate(5);
    Some(Claim {
        id: format!("c{number}"),
        field,
        value: value(field, best),
        confidence,
        ci,
        method,
        kind,
        ceiling,
        pages,
        as_of_year: best.iter().filter_map(|fact| fact.as_of_year).max(),
        evidence,
        conflicts,
    })
}

/// Two pages may describe a company in different words without contradicting each other.
fn describes(field: Field) -> bool {
    matches!(
        field,
        Field::Description | Field::Industry | Field::RemotePolicy | Field::SocialProfile | Field::ContactEmail
    )
}

/// Two ranges that overlap may both be true: "up to 20" and "18 people".
fn may_both_hold(one: &Value, other: &Value) -> bool {
    let end = |range: &Value, key: &str| range.get(key).and_then(Value::as_i64);
    let (Some(a), Some(b)) = (end(one, "min"), end(other, "min")) else { return false };
    a <= end(other, "max").unwrap_or(i64::MAX) && b <= end(one, "max").unwrap_or(i64::MAX)
}

/// The value of a group: of a list all items, else the first one.
fn value(field: Field, group: &[&Verified]) -> Value {
    if !field.is_list() {
        return group.first().map(|fact| fact.value.clone()).unwrap_or_default();
    }
    let mut items: Vec<Value> = Vec::new();
    for item in group.iter().filter_map(|fact| fact.value.as_array()).flatten() {
        let same = |other: &Value| other.as_str().map(str::to_lowercase) == item.as_str().map(str::to_lowercase);
        if !items.iter().any(same) {
            items.push(item.clone());
        }
    }
    Value::Array(items)
}

/// Two values of one form are the same.
fn normal(value: &Value) -> String {
    match value {
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::claim::Evidence;

    fn fact(value: Value, method: Method, url: &str, as_of_year: Option<i64>) -> Verified {
        let evidence = Evidence { url: url.into(), sha256: "00".into(), quote: value.to_string(), start: None };
        Verified { field: Field::HeadcountRange, value, method, ceiling: 0.9, as_of_year, evidence }
    }

    fn known(facts: Vec<Verified>) -> Known {
        reconcile(&[Checked { url: "u".into(), accepted: facts, ..Checked::default() }], 2026)
    }

    #[test]
    fn what_contradicts_is_kept_and_nobody_is_sure() {
        let known = known(vec![
            fact(json!({ "min": 40, "max": 40 }), Method::Prose, "a", None),
            fact(json!({ "min": 90, "max": 90 }), Method::Prose, "b", None),
        ]);
        let claim = &known.claims[0];
        assert_eq!((claim.conflicts.len(), claim.confidence <= 0.5), (1, true));
        assert!(claim.ci[0] <= claim.confidence && claim.confidence <= claim.ci[1]);
        assert_eq!(known.missing.len(), Field::ALL.len() - 1);
    }

    #[test]
    fn what_is_fresh_goes_before_what_is_old() {
        let known = known(vec![
            fact(json!({ "min": 12, "max": 12 }), Method::Structured, "a", Some(2014)),
            fact(json!({ "min": 40, "max": 40 }), Method::Prose, "b", None),
        ]);
        assert_eq!(known.claims[0].value, json!({ "min": 40, "max": 40 }));
    }

    #[test]
    fn the_interval_holds_the_mean_and_narrows_with_data() {
        let (none, wide) = sureness(Counts::default());
        let (many, narrow) = sureness(Counts { right: 95.0, wrong: 5.0 });
        assert!((none - 0.5).abs() < 1e-9 && many > 0.93);
        assert!(wide[1] - wide[0] > 0.5 && narrow[1] - narrow[0] < 0.1);
        assert!(wide[0] <= none && narrow[0] <= many && many <= narrow[1]);
        assert!(!TABLE.is_empty());
    }
}
