//! The rules that judge every action, and one request put to them.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Body, Caller, Filter, value};
use crate::{
    lately::{self, MOST, RUNS},
    problem::Problem,
    view::policies,
};

/// The rules that count now.
#[derive(Serialize, ToSchema)]
pub(super) struct Policies {
    /// The digest of the rules; null: the project has none of its own.
    version: Option<String>,
    rules: Vec<Rule>,
    /// Operations that no rule allows.
    never_allowed: Vec<String>,
    /// Runs in which decisions were counted.
    seen: u32,
    /// How often other rules decided: those that are built in, and those of earlier versions.
    others: BTreeMap<String, u64>,
}

/// A rule.
#[derive(Serialize, ToSchema)]
struct Rule {
    id: Arc<str>,
    /// `never`, `allow` or `ask`.
    set: &'static str,
    /// Its file and line.
    at: Arc<str>,
    reason: Option<Arc<str>>,
    /// The operations that it can match.
    operations: Vec<Arc<str>>,
    /// The facts that its condition reads.
    reads: Vec<Arc<str>>,
    /// As it is written.
    text: Arc<str>,
    /// How often it decided in the runs that were seen.
    decided: u64,
    /// What the cases of the project do not show of it.
    missing: Vec<&'static str>,
}

/// How far back.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// In how many of the last runs of each workflow decisions are counted, 0 to 200; 50 if absent
    runs: Option<u32>,
}

/// The rules, and how often each decided lately
#[utoipa::path(get, path = "/policies", operation_id = "list_policies", tag = "Policies", params(Which), responses((status = OK, body = Policies)))]
pub(super) async fn list(caller: Caller, Filter(which): Filter<Which>) -> Result<Json<Policies>, Problem> {
    let runs = which.runs.unwrap_or(RUNS);
    if runs > MOST {
        return Err(Problem::malformed(format!("`runs={runs}`: a number from 0 to {MOST}")));
    }
    let site = &caller.app.site;
    let served = site.served();
    let (seen, mut decided) = lately::rules(site, runs).await?;
    let known = served.project.policies.as_deref();
    let shown = known.and_then(|known| policies::shown(&served.sources, &served.project, known));
    let missing = |place: usize| shown.as_ref().and_then(|shown| shown.missing.get(place)).cloned().unwrap_or_default();
    let rules = known.map(|known| known.rules()).unwrap_or_default().iter().enumerate().map(|(place, rule)| Rule {
        id: rule.id.clone(),
        set: rule.folder.as_str(),
        at: rule.at.clone(),
        reason: rule.reason.clone(),
        operations: rule.actions().cloned().collect(),
        reads: rule.reads().cloned().collect(),
        text: rule.text.clone(),
        decided: decided.remove(&rule.id).unwrap_or_default(),
        missing: missing(place),
    });
    let rules = rules.collect();
    Ok(Json(Policies {
        version: known.map(|known| known.digest().to_string()),
        rules,
        never_allowed: known
            .map(|known| known.never_allowed())
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        seen,
        others: decided.into_iter().map(|(rule, many)| (rule.to_string(), many)).collect(),
    }))
}

/// A request to be judged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyRequest)]
pub(super) struct Request {
    /// As in a case of policies: `action`, `step`, `input`, and what else is known of it.
    #[schema(value_type = Object)]
    request: serde_json::Value,
}

/// What would become of it.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicyVerdict)]
pub(super) struct Verdict {
    /// `allow`, `ask` or `deny`.
    verdict: &'static str,
    /// The rule that decides, `policy_error`, `not_allowed`, or one that every project has: `untrusted-control`, `private-untrusted-outward`.
    rule: String,
    /// What an operator would be told.
    why: Option<String>,
    /// The rules that match.
    matched: Vec<Matched>,
    /// If nothing allows it: the rules that could.
    could_allow: Vec<String>,
}

/// A rule that matches.
#[derive(Serialize, ToSchema)]
struct Matched {
    id: String,
    at: String,
    /// What its condition reads, as it is.
    values: BTreeMap<String, String>,
    /// What would become of the request without it.
    without: String,
}

/// Says what would become of one request, by which rule, and what would change it
///
/// Nothing is done, and nothing is kept.
#[utoipa::path(post, path = "/policies/judgement", operation_id = "judge_request", tag = "Policies", request_body = Request, responses((status = OK, body = Verdict)))]
pub(super) async fn judge(caller: Caller, Body(asked): Body<Request>) -> Result<Json<Verdict>, Problem> {
    let served = caller.app.site.served();
    let Some(known) = served.project.policies.as_deref() else {
        return Err(Problem::not_found("the project has no rules of its own to try a request on"));
    };
    let request = value(&asked.request, "the request")?;
    let judged = policies::judge(&served.project, known, &request)
        .map_err(|why| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", why.join("; ")))?;
    let matched = |one: policies::Why| Matched {
        id: one.id,
        at: one.at,
        values: one.values.into_iter().collect(),
        without: one.without,
    };
    Ok(Json(Verdict {
        verdict: judged.word,
        rule: judged.rule,
        why: (!judged.why.is_empty()).then_some(judged.why),
        matched: judged.matched.into_iter().map(matched).collect(),
        could_allow: judged.could.into_iter().map(|(id, ..)| id).collect(),
    }))
}
