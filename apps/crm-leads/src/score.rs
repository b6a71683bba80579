//! Fit and intent: sums of rules that people edit, with every part, what is missing, and how far the score could move.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::claim::{Claim, Field};

/// What a score is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// How well the company suits us.
    Fit,
    /// How likely it buys now.
    Intent,
}

/// One row of the table `score_rule`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// Which score it is part of.
    pub axis: Axis,
    /// What it says, for people.
    pub label: String,
    /// The field it looks at.
    pub field: Field,
    /// `between`, `in`, `has_any`, `at_least` (items of a list), `known`.
    pub test: String,
    /// What the test compares with.
    #[serde(default)]
    pub with: Value,
    /// Added when it holds; may be negative.
    pub points: i64,
}

/// What a rule came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The rule.
    pub rule_id: String,
    /// What it says.
    pub label: String,
    /// What it added.
    pub points: i64,
    /// The claims it rests on.
    pub claim_ids: Vec<String>,
    /// How sure those are: 0 to 1.
    pub certainty: f64,
}

/// One score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// What it is about.
    pub axis: Axis,
    /// 0 to 100.
    pub score: i64,
    /// The score with uncertain claims at their worst and at their best.
    pub range: [i64; 2],
    /// Every rule that holds.
    pub parts: Vec<Part>,
    /// Fields that rules wanted and nobody knows: worth no points, and never held against the lead.
    pub missing: Vec<Field>,
}

/// A claim below this may as well be wrong: its points are within the range, not in the score's floor.
const SURE: f64 = 0.8;

/// Both scores.
pub fn score(claims: &[Claim], rules: &[Rule]) -> Vec<Score> {
    [Axis::Fit, Axis::Intent].map(|axis| one(axis, claims, rules)).into()
}

fn one(axis: Axis, claims: &[Claim], rules: &[Rule]) -> Score {
    let (mut sum, mut low, mut high) = (0, 0, 0);
    let (mut parts, mut missing) = (Vec::new(), Vec::new());
    for rule in rules.iter().filter(|rule| rule.axis == axis) {
        let Some(claim) = claims.iter().find(|claim| claim.field == rule.field) else {
            if !missing.contains(&rule.field) {
                missing.push(rule.field);
            }
            high += rule.points.max(0);
            low += rule.points.min(0);
            continue;
        };
        let holds = holds(rule, &claim.value);
        if holds {
            sum += rule.points;
            parts.push(Part {
                rule_id: rule.id.clone(),
                label: rule.label.clone(),
                points: rule.points,
                claim_ids: vec![claim.id.clone()],
                certainty: claim.confidence,
            });
        }
        let sure = claim.confidence >= SURE;
        let (worst, best) = match (holds, sure) {
            (true, true) => (rule.points, rule.points),
            (true, false) => (rule.points.min(0), rule.points.max(0)),
            (false, true) => (0, 0),
            (false, false) => (rule.points.min(0), rule.points.max(0)),
        };
        low += worst;
        high += best;
    }
    let within = |points: i64| points.clamp(0, 100);
    Score { axis, score: within(sum), range: [within(low), within(high)], parts, missing }
}

fn holds(rule: &Rule, value: &Value) -> bool {
    let texts = |value: &Value| -> Vec<String> {
        match value {
            Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_lowercase).collect(),
            Value::String(text) => vec![text.to_lowercase()],
            _ => Vec::new(),
        }
    };
    match &*rule.test {
        "known" => true,
        "in" | "has_any" => {
            let wanted = texts(&rule.with);
            texts(value).iter().any(|text| wanted.contains(text))
        }
        "at_least" => value.as_array().map_or(0, Vec::len) as u64 >= rule.with.as_u64().unwrap_or(u64::MAX),
        "between" => {
            let bound = |at: usize| rule.with.get(at).and_then(Value::as_i64);
            let (Some(from), Some(to)) = (bound(0), bound(1)) else { return false };
            let (min, max) = match value {
                Value::Object(range) => {
                    (range.get("min").and_then(Value::as_i64), range.get("max").and_then(Value::as_i64))
                }
                value => (value.as_i64(), value.as_i64()),
            };
            min.is_some_and(|min| min <= to) && max.or(min).is_some_and(|max| max >= from)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::claim::Method;

    fn claim(field: Field, value: Value, confidence: f64) -> Claim {
        Claim {
            id: format!("c-{field}"),
            field,
            value,
            confidence,
            ci: [0.0, 1.0],
            method: Method::Prose,
            kind: String::new(),
            ceiling: 1.0,
            pages: 1,
            as_of_year: None,
            evidence: vec![],
            conflicts: vec![],
        }
    }

    fn rule(id: &str, field: Field, test: &str, with: Value, points: i64) -> Rule {
        Rule { id: id.into(), axis: Axis::Fit, label: id.into(), field, test: test.into(), with, points }
    }

    #[test]
    fn parts_add_up_and_what_is_unknown_is_listed() {
        let rules = [
            rule("size", Field::HeadcountRange, "between", json!([20, 500]), 25),
            rule("country", Field::HqCountry, "in", json!(["DE", "FR"]), 10),
            rule("stack", Field::Technologies, "has_any", json!(["rust"]), 15),
            rule("old", Field::FoundedYear, "between", json!([1600, 1950]), -20),
        ];
        let claims = [
            claim(Field::HeadcountRange, json!({ "min": 11, "max": 50 }), 0.9),
            claim(Field::Technologies, json!(["Rust", "Go"]), 0.6),
            claim(Field::FoundedYear, json!(2012), 0.9),
        ];
        let fit = &score(&claims, &rules)[0];
        assert_eq!((fit.score, fit.range, &*fit.missing), (40, [25, 50], &[Field::HqCountry][..]));
        assert_eq!(fit.parts.len(), 2);
    }

    #[test]
    fn a_rule_of_any_shape_is_no_trouble() {
        let rules =
            [rule("x", Field::HqCity, "between", json!("?"), 5), rule("y", Field::HqCity, "no such test", json!(1), 5)];
        assert_eq!(score(&[claim(Field::HqCity, json!("Rome"), 1.0)], &rules)[0].score, 0);
    }
}
