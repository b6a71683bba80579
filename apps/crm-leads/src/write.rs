//! What of the claims goes into the CRM, by the policy of each field. Whether a person was quicker is decided where it is written.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    claim::{Claim, Evidence, Field},
    score::Score,
};

/// One row of the table `field_policy`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The field.
    pub field: Field,
    /// `fill_if_empty`, `overwrite`, `propose`, `never`.
    pub mode: String,
    /// The lower end of the interval from which a claim is applied by itself.
    pub min_ci_low: f64,
}

/// A field as the lead had it when the run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Current {
    /// The field.
    pub field: String,
    /// +1 at every change.
    pub version: i64,
}

/// One write: applied, or proposed to a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// The field.
    pub field: Field,
    /// Its value as JSON.
    pub value: String,
    /// `apply`: if the field is still as it was. `propose`: a person decides.
    pub decision: String,
    /// `fill_if_empty` or `overwrite`; `propose` where the policy says so.
    pub mode: String,
    /// Why it is only proposed.
    pub reason: String,
    /// The version that the field had when the run began; 0: it was empty.
    pub seen_version: i64,
    /// The claim.
    pub claim_id: String,
    /// How sure it is.
    pub confidence: f64,
    /// The lower end of its interval.
    pub ci_low: f64,
    /// The best of its evidence.
    pub url: String,
    /// The page's words.
    pub quote: String,
    /// SHA-256 over the page's bytes.
    pub sha256: String,
}

/// What goes into the CRM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// In the order of the claims.
    pub writes: Vec<Write>,
    /// Fields whose policy is `never`, or that have none.
    pub left: Vec<Field>,
    /// The scores, 0 to 100.
    pub fit: i64,
    /// The same for intent.
    pub intent: i64,
    /// One sentence for the notification.
    pub says: String,
}

/// Plans the writes.
pub fn plan(company: &str, claims: &[Claim], scores: &[Score], policies: &[Policy], current: &[Current]) -> Plan {
    let score = |at: usize| scores.get(at).map_or(0, |score: &Score| score.score);
    let mut plan = Plan { fit: score(0), intent: score(1), ..Plan::default() };
    for claim in claims {
        let policy = policies.iter().find(|policy| policy.field == claim.field);
        let Some(policy) = policy.filter(|policy| policy.mode != "never") else {
            plan.left.push(claim.field);
            continue;
        };
        let Some(Evidence { url, quote, sha256, .. }) = claim.evidence.first().cloned() else { continue };
        let reason = if policy.mode == "propose" {
            "its policy asks a person".to_owned()
        } else if !claim.conflicts.is_empty() {
            "pages contradict each other".to_owned()
        } else if claim.ci[0] < policy.min_ci_low {
            format!("sure from {:.2}, its policy wants {:.2}", claim.ci[0], policy.min_ci_low)
        } else {
            String::new()
        };
        plan.writes.push(Write {
            field: claim.field,
            value: claim.value.to_string(),
            decision: if reason.is_empty() { "apply" } else { "propose" }.to_owned(),
            mode: policy.mode.clone(),
            reason,
            seen_version: current.iter().find(|now| now.field == claim.field.as_str()).map_or(0, |now| now.version),
            claim_id: claim.id.clone(),
            confidence: claim.confidence,
            ci_low: claim.ci[0],
            url,
            quote,
            sha256,
        });
    }
    let applied = plan.writes.iter().filter(|write| write.decision == "apply").count();
    let proposed = plan.writes.len() - applied;
    plan.says = match plan.writes.len() {
        0 => format!("{company}: nothing was found that stands"),
        _ => format!("{company}: {applied} fields found, {proposed} to look at, fit {}", plan.fit),
    };
    plan
}

/// What the database answered to a write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// The field.
    pub field: String,
    /// `applied`, `proposed`, `kept`: a person's value stands.
    pub outcome: String,
    /// Why, unless it was applied.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A field of the enriched lead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enriched {
    /// The field.
    pub field: Field,
    /// Its value.
    pub value: Value,
    /// How likely it is right.
    pub confidence: f64,
    /// A 90 % interval around it.
    pub ci: [f64; 2],
    /// What it is in the table of confidence: how it was read, whether both ways agree, whether it is old.
    pub kind: String,
    /// The reader's own doubt: at most 1.
    pub reader: f64,
    /// The page's words.
    pub quote: String,
    /// The page.
    pub url: String,
    /// SHA-256 over its bytes.
    pub sha256: String,
    /// What other pages say instead.
    pub conflicts: Vec<Value>,
    /// What became of it in the CRM: `applied`, `proposed`, `kept`, `left`.
    pub outcome: String,
    /// Why, unless it was applied.
    pub reason: String,
}

/// The enriched lead's fields.
pub fn enriched(claims: &[Claim], written: &[Written]) -> Vec<Enriched> {
    let mut fields = Vec::new();
    for claim in claims {
        let Some(evidence) = claim.evidence.first() else { continue };
        let written = written.iter().find(|written| written.field == claim.field.as_str());
        fields.push(Enriched {
            field: claim.field,
            value: claim.value.clone(),
            confidence: claim.confidence,
            ci: claim.ci,
            kind: claim.kind.clone(),
            reader: claim.ceiling,
            quote: evidence.quote.clone(),
            url: evidence.url.clone(),
            sha256: evidence.sha256.clone(),
            conflicts: claim.conflicts.iter().map(|conflict| conflict.value.clone()).collect(),
            outcome: written.map_or("left", |written| &written.outcome).to_owned(),
            reason: match written {
                Some(written) => written.reason.clone().unwrap_or_default(),
                None => "its policy writes it never".to_owned(),
            },
        });
    }
    fields
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::claim::{Conflict, Method};

    fn claim(field: Field, ci_low: f64, conflict: bool) -> Claim {
        let evidence = Evidence { url: "u".into(), sha256: "00".into(), quote: "q".into(), start: None };
        let conflicts =
            conflict.then(|| Conflict { value: json!(1), evidence: evidence.clone() }).into_iter().collect();
        Claim {
            id: "c1".into(),
            field,
            value: json!("x"),
            confidence: 0.9,
            ci: [ci_low, 1.0],
            method: Method::Prose,
            kind: String::new(),
            ceiling: 1.0,
            pages: 1,
            as_of_year: None,
            evidence: vec![evidence],
            conflicts,
        }
    }

    #[test]
    fn a_policy_decides_what_is_applied_by_itself() {
        let policy = |field, mode: &str| Policy { field, mode: mode.into(), min_ci_low: 0.6 };
        let policies = [
            policy(Field::Industry, "fill_if_empty"),
            policy(Field::HqCity, "overwrite"),
            policy(Field::HqCountry, "propose"),
            policy(Field::LegalName, "never"),
            policy(Field::HeadcountRange, "fill_if_empty"),
        ];
        let claims = [
            claim(Field::Industry, 0.7, false),
            claim(Field::HqCity, 0.3, false),
            claim(Field::HqCountry, 0.9, false),
            claim(Field::LegalName, 0.9, false),
            claim(Field::HeadcountRange, 0.9, true),
            claim(Field::OpenRoles, 0.9, false),
        ];
        let plan = plan("Foo", &claims, &[], &policies, &[Current { field: "hq_city".into(), version: 3 }]);
        let told: Vec<_> =
            plan.writes.iter().map(|write| (write.field, &*write.decision, write.seen_version)).collect();
        assert_eq!(
            told,
            [
                (Field::Industry, "apply", 0),
                (Field::HqCity, "propose", 3),
                (Field::HqCountry, "propose", 0),
                (Field::HeadcountRange, "propose", 0),
            ]
        );
        assert_eq!(plan.left, [Field::LegalName, Field::OpenRoles]);
        assert_eq!(plan.says, "Foo: 1 fields found, 3 to look at, fit 0");
    }
}
