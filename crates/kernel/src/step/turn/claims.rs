//! What a model says it did, compared with what the journal proves, in both directions.
//!
//! Only the evidence ids of acts of the same step count; a sentence is never evidence, and neither is an action that merely fits.

use std::sync::Arc;

use super::{Told, Turning, Words, acts_of, evidence};
use crate::{
    ids::StepPath,
    journal::{Claimed, Standing},
    next::{Stop, Walk},
    recovery::{Failure, FailureKind, Phase},
    run::{Performed, Talk},
    values::Value,
};

/// What a claim says of an act that was done.
const SUCCEEDED: &str = "succeeded";
/// What a claim says of an act that was tried and not done.
const FAILED: &str = "failed";

/// How each claim of the answer stands, then each act that no claim names.
pub(super) fn judge(
    turning: &Turning,
    walk: &Walk<'_>,
    (agent, talk): (&StepPath, &Talk),
    answer: &Value,
) -> Result<Vec<Claimed>, Stop> {
    let acts: Vec<&Performed> = acts_of(walk, agent).collect();
    let failed = failed(turning, walk, talk)?;
    let mut named = Vec::new();
    let mut all = Vec::new();
    let claims = match answer.get("claims") {
        Some(Value::List(claims)) => claims.iter().collect(),
        _ => Vec::new(),
    };
    for claim in claims {
        all.push(one(walk, claim, &acts, &failed, &mut named));
    }
    for act in acts.iter().filter(|act| act.writes && !named.contains(&act.entry)) {
        all.push(Claimed {
            says: None,
            action: format!("{}.{}", act.tool, act.operation).into(),
            resource: act.resource.as_ref().map(|resource| resource.id.clone()),
            evidence: Some(evidence(walk, act).into()),
            standing: Standing::Unsupported,
            why: Some("it was done, and no claim names it".into()),
        });
    }
    Ok(all)
}

fn one(walk: &Walk<'_>, claim: &Value, acts: &[&Performed], failed: &[Arc<str>], named: &mut Vec<u64>) -> Claimed {
    let text = |key: &str| claim.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(Arc::<str>::from);
    let (action, resource, cited) = (text("action").unwrap_or_default(), text("resource"), text("evidence"));
    let status = text("status").unwrap_or_default();
    let act = cited.as_deref().and_then(|cited| acts.iter().find(|act| *walk.state.evidence_id(act.entry) == *cited));
    let (standing, why) = match (&*status, &cited, act) {
        (SUCCEEDED, None, _) if acts.iter().any(|act| act.is(&action, None)) => {
            (Standing::Unsupported, Some("it cites no evidence".to_owned()))
        }
        (SUCCEEDED, None, _) => (Standing::Refuted, Some("nothing of that kind was done in this step".to_owned())),
        (SUCCEEDED, Some(_), None) => {
            (Standing::Refuted, Some("its evidence is no act of this step that succeeded".to_owned()))
        }
        (SUCCEEDED, Some(_), Some(act)) => match differs(act, &action, resource.as_deref()) {
            Some(why) => (Standing::Refuted, Some(why)),
            None if named.contains(&act.entry) => {
                (Standing::Refuted, Some("its evidence proves another claim already".to_owned()))
            }
            None => {
                named.push(act.entry);
                (Standing::Verified, None)
            }
        },
        (FAILED, _, Some(_)) => (Standing::Refuted, Some("the act that it cites succeeded".to_owned())),
        (FAILED, _, None) if failed.contains(&action) => (Standing::Verified, None),
        (FAILED, _, None) => (Standing::Refuted, Some("no such action failed in this step".to_owned())),
        (other, ..) => {
            let why = format!("its status is `{other}`, and what can be proven is `{SUCCEEDED}` or `{FAILED}`");
            (Standing::Unsupported, Some(why))
        }
    };
    Claimed { says: text("says"), action, resource, evidence: cited, standing, why: why.map(Into::into) }
}

/// In what the act is another one than the claim says.
fn differs(act: &Performed, action: &str, resource: Option<&str>) -> Option<String> {
    if !act.is(action, None) {
        return Some(format!("its evidence is an act of `{}.{}`", act.tool, act.operation));
    }
    let on = act.resource.as_ref().map(|resource| &*resource.id);
    let other = resource.filter(|wanted| on != Some(*wanted))?;
    Some(match on {
        Some(on) => format!("its evidence is an act on `{on}`, and not on `{other}`"),
        None => format!("its evidence is an act that names no object, and not one on `{other}`"),
    })
}

/// The actions that were tried in this visit and not done.
fn failed(turning: &Turning, walk: &Walk<'_>, talk: &Talk) -> Result<Vec<Arc<str>>, Stop> {
    let mut all = Vec::new();
    for exchange in &talk.past {
        let words = Words::of_value(&walk.unhold(&exchange.said)?);
        let told = Told::of_value(&walk.unhold(&exchange.returned)?);
        let tried = words.proposed.iter().zip(&told.returned).filter(|(_, returned)| returned.failed);
        all.extend(tried.filter_map(|(proposed, _)| turning.actions.get(&proposed.name)).cloned());
    }
    Ok(all)
}

/// The failure of an answer whose claims do not stand.
pub(crate) fn unproven(claims: &[Claimed]) -> Option<Failure> {
    let wrong: Vec<String> = claims.iter().filter(|claim| claim.fails()).map(ToString::to_string).collect();
    let detail = wrong.join("; ");
    let kind = FailureKind::UnsupportedClaim;
    (!wrong.is_empty()).then_some(Failure { kind, phase: Phase::Answered, detail, retry_after: None })
}
