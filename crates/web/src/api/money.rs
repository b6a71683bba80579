//! What runs may spend, and what is stopped: budgets and holds.

use std::sync::Arc;

use axum::Json;
use kernel::{governance::budget, governance::budget::Period, values::Timestamp};
use runtime::budget::Raised as Came;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, Caller};
use crate::problem::Problem;

/// Every sum that is limited or counted.
#[derive(Serialize, ToSchema)]
pub(super) struct Budgets {
    budgets: Vec<Budget>,
}

/// How one sum stands, in its unit.
#[derive(Serialize, ToSchema)]
struct Budget {
    /// `day`, `tenant:NAME` or `workflow:NAME`.
    scope: Arc<str>,
    /// `money_uusd` (millionths of a US dollar), `tokens`, `calls` or `time_us` (microseconds).
    unit: &'static str,
    /// For how long its limit holds; null: its period is over, or nothing limits it any more.
    per: Option<&'static str>,
    /// When its period began; null: it has none.
    period: Option<String>,
    /// What settled and reserved together must not exceed, raises included.
    limit: i64,
    /// What calls have cost.
    settled: i64,
    /// What is set aside for open calls.
    reserved: i64,
    /// By how much bills were above what had been set aside for them.
    overrun: i64,
    /// Nothing more starts there until a person has looked.
    frozen: bool,
    /// At least 80 % are settled or reserved.
    near: bool,
}

/// How the budgets stand
#[utoipa::path(get, path = "/budgets", operation_id = "list_budgets", tag = "Budgets", responses((status = OK, body = Budgets)))]
pub(super) async fn budgets(caller: Caller) -> Result<Json<Budgets>, Problem> {
    let all = caller.app.site.runtime().budgets().await?;
    let budgets = all.into_iter().map(|one| Budget {
        near: one.is_near(),
        scope: one.scope,
        unit: one.unit.as_str(),
        per: one.per.map(Period::as_str),
        period: (one.period != 0).then(|| Timestamp::from_micros(one.period).to_string()),
        limit: one.limit,
        settled: one.settled,
        reserved: one.reserved,
        overrun: one.overrun,
        frozen: one.frozen,
    });
    Ok(Json(Budgets { budgets: budgets.collect() }))
}

/// What is limited.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Money,
    Tokens,
    Calls,
    Time,
}

/// A limit that becomes larger.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Raise {
    /// `day`, `tenant:NAME`, `workflow:NAME`, or `run:` and the id of a run.
    scope: String,
    unit: Unit,
    /// The new limit as people write it: `0.50` US dollars, a number of tokens or calls, `2h`.
    amount: String,
    /// Whether the runs that were paused for lack of room there go on at once.
    #[serde(default)]
    resume: bool,
    /// Which person of people.yaml raises it; a program must say so.
    #[serde(rename = "as")]
    by: Option<String>,
}

/// A limit that was raised.
#[derive(Serialize, ToSchema)]
pub(super) struct Raised {
    scope: String,
    unit: &'static str,
    /// In the unit.
    limit: i64,
    by: Arc<str>,
    /// For how long; null: for the run.
    per: Option<&'static str>,
    /// The number of the change; null: the run is told instead.
    change: Option<u64>,
    /// Runs that were paused for lack of room there.
    paused: Vec<String>,
    /// Whether they go on.
    resumed: bool,
}

/// Raises a limit: of a scope for its current period, or of one run
///
/// Runs that wait for room go on by themselves.
#[utoipa::path(post, path = "/budgets/raise", operation_id = "raise_budget", tag = "Budgets", request_body = Raise, responses((status = OK, body = Raised)))]
pub(super) async fn raise(caller: Caller, Body(raise): Body<Raise>) -> Result<Json<Raised>, Problem> {
    let asker = caller.asker(raise.by.as_deref())?;
    let unit = match raise.unit {
        Unit::Money => budget::Unit::Money,
        Unit::Tokens => budget::Unit::Tokens,
        Unit::Calls => budget::Unit::Calls,
        Unit::Time => budget::Unit::Time,
    };
    let limit = unit.read(&raise.amount).map_err(Problem::malformed)?;
    let runtime = caller.app.site.runtime();
    let (per, change) = match runtime.raise(&raise.scope, unit, limit, &asker).await? {
        Came::Scope { generation, per } => (Some(per.as_str()), Some(generation)),
        Came::Run { .. } => (None, None),
    };
    let short = runtime.short_of(&raise.scope).await?;
    if raise.resume {
        for run in &short {
            runtime.resume(*run, asker.by.clone()).await?;
        }
    }
    Ok(Json(Raised {
        scope: raise.scope,
        unit: unit.as_str(),
        limit,
        by: asker.by,
        per,
        change,
        paused: short.iter().map(ToString::to_string).collect(),
        resumed: raise.resume,
    }))
}

/// A frozen scope that goes on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Unfreeze {
    /// As the list of budgets names it.
    scope: String,
    /// What was found in the bills; recorded.
    reason: String,
    /// Whether the runs that were paused for lack of room there go on at once.
    #[serde(default)]
    resume: bool,
    /// Which person of people.yaml has looked; a program must name one.
    #[serde(rename = "as")]
    by: Option<String>,
}

/// A scope that is frozen no more.
#[derive(Serialize, ToSchema)]
pub(super) struct Unfrozen {
    scope: String,
    by: Arc<str>,
    /// The number of the change.
    change: u64,
    /// Runs that were paused for lack of room there.
    paused: Vec<String>,
    /// Whether they go on.
    resumed: bool,
}

/// Lets a frozen scope go on: a person has looked at its bills
///
/// A scope is frozen when a bill was above what had been set aside for it.
#[utoipa::path(post, path = "/budgets/unfreeze", operation_id = "unfreeze_budget", tag = "Budgets", request_body = Unfreeze, responses((status = OK, body = Unfrozen)))]
pub(super) async fn unfreeze(caller: Caller, Body(said): Body<Unfreeze>) -> Result<Json<Unfrozen>, Problem> {
    let asker = caller.asker(said.by.as_deref())?;
    let reason = said.reason.trim();
    if reason.is_empty() {
        return Err(Problem::malformed("`reason` says what was found, and says nothing"));
    }
    let runtime = caller.app.site.runtime();
    let change = runtime.unfreeze(&said.scope, reason, &asker).await?;
    let short = runtime.short_of(&said.scope).await?;
    if said.resume {
        for run in &short {
            runtime.resume(*run, asker.by.clone()).await?;
        }
    }
    Ok(Json(Unfrozen {
        scope: said.scope,
        by: asker.by,
        change,
        paused: short.iter().map(ToString::to_string).collect(),
        resumed: said.resume,
    }))
}

/// What is stopped.
#[derive(Serialize, ToSchema)]
pub(super) struct Holds {
    holds: Vec<Hold>,
}

/// A scope in which nothing starts.
#[derive(Serialize, ToSchema)]
struct Hold {
    scope: Arc<str>,
    by: Arc<str>,
    reason: Arc<str>,
    at: String,
}

/// What is held
#[utoipa::path(get, path = "/holds", operation_id = "list_holds", tag = "Holds", responses((status = OK, body = Holds)))]
pub(super) async fn holds(caller: Caller) -> Result<Json<Holds>, Problem> {
    let charter = caller.app.site.runtime().charter().await?;
    let holds = charter.held().iter().map(|(scope, hold)| Hold {
        scope: scope.clone(),
        by: hold.by.clone(),
        reason: hold.reason.clone(),
        at: hold.at.to_string(),
    });
    Ok(Json(Holds { holds: holds.collect() }))
}

/// What is to be stopped, or to go on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HoldOrder)]
pub(super) struct Order {
    /// `tool:NAME`, `tool:NAME.OPERATION`, `model:NAME`, `workflow:NAME` or `tenant:NAME`.
    scope: String,
    /// Why; recorded.
    #[serde(default)]
    reason: String,
    /// Which person of people.yaml says so; a program must name one.
    #[serde(rename = "as")]
    by: Option<String>,
}

/// A change of what is held.
#[derive(Serialize, ToSchema)]
#[schema(as = HoldChange)]
pub(super) struct Changed {
    scope: String,
    by: Arc<str>,
    /// The number of the change.
    change: u64,
}

/// Stops everything of a scope at once
#[utoipa::path(post, path = "/holds", operation_id = "hold", tag = "Holds", request_body = Order, responses((status = CREATED, body = Changed)))]
pub(super) async fn hold(
    caller: Caller,
    Body(order): Body<Order>,
) -> Result<(axum::http::StatusCode, Json<Changed>), Problem> {
    let asker = caller.asker(order.by.as_deref())?;
    let change = caller.app.site.runtime().hold(&order.scope, &order.reason, &asker).await?;
    Ok((axum::http::StatusCode::CREATED, Json(Changed { scope: order.scope, by: asker.by, change })))
}

/// Lets a scope go on, and wakes the runs that wait for it
#[utoipa::path(post, path = "/holds/release", operation_id = "release_hold", tag = "Holds", request_body = Order, responses((status = OK, body = Changed)))]
pub(super) async fn release(caller: Caller, Body(order): Body<Order>) -> Result<Json<Changed>, Problem> {
    let asker = caller.asker(order.by.as_deref())?;
    let change = caller.app.site.runtime().release(&order.scope, &order.reason, &asker).await?;
    Ok(Json(Changed { scope: order.scope, by: asker.by, change }))
}
