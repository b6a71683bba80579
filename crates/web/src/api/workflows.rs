//! Workflows: their steps, and how the last runs of each fared.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::Path};
use kernel::workflow::Program;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Caller, Filter};
use crate::{
    lately::{self, MOST, OfStep, RUNS},
    problem::Problem,
    view::versions::{self, Compared},
};

/// The workflows that are served now.
#[derive(Serialize, ToSchema)]
pub(super) struct Workflows {
    workflows: Vec<Workflow>,
}

/// A workflow.
#[derive(Serialize, ToSchema)]
struct Workflow {
    name: Arc<str>,
    title: Arc<str>,
    /// The version that new runs follow: its bundle, by digest.
    version: String,
    /// The last runs that were looked at, of whatever version.
    runs: Counted,
    /// What these runs were charged, in millionths of a US dollar.
    charged_uusd: i64,
    /// What of it was charged to runs that failed.
    failed_uusd: i64,
    /// What of it was charged to other runs that people say were wrong.
    wrong_uusd: i64,
    /// Answers of models that nobody said the price of.
    unpriced: u64,
    /// In the order written.
    steps: Vec<StepStands>,
}

/// How runs stand.
#[derive(Default, Serialize, ToSchema)]
struct Counted {
    /// How many were looked at.
    seen: u32,
    completed: u32,
    failed: u32,
    cancelled: u32,
    /// Not over.
    open: u32,
    /// People say that they did what they should have done.
    right: u32,
    /// People say that they did not.
    wrong: u32,
    /// People differ.
    disputed: u32,
}

/// A step, and how it fared in these runs.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkflowStep)]
struct StepStands {
    name: Arc<str>,
    stage: Arc<str>,
    /// `reason`, `act`, `decide` and so on.
    kind: &'static str,
    /// The step whose body it stands in.
    within: Option<Arc<str>>,
    /// How often it was done, skipping apart.
    done: u64,
    skipped: u64,
    /// Failures, also those that were repaired.
    failures: u64,
    /// `done` of `done` and `failures`; null: neither happened.
    success_rate: Option<f64>,
    /// From its first entry to the one that completes it, waits included; null: it was never done.
    latency_ms: Option<Latency>,
    /// What its calls cost, as the journals say; null: they say nothing.
    cost: Option<Cost>,
    /// Tokens that providers billed.
    tokens: u64,
    /// How often it failed with what.
    failure_kinds: BTreeMap<String, u64>,
}

/// Of what was done.
#[derive(Serialize, ToSchema)]
struct Latency {
    median: u64,
    p95: u64,
    most: u64,
}

/// What calls cost.
#[derive(Serialize, ToSchema)]
struct Cost {
    /// Millionths of a US dollar: what was charged where the journal says so, else what was taken of what had been set aside.
    money_uusd: i64,
    calls: i64,
    /// Within calls.
    time_us: i64,
    /// Answers of models that nobody said the price of.
    unpriced: u64,
}

/// How far back.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only this workflow
    workflow: Option<String>,
    /// How many of the last runs of each are looked at, 0 to 200; 50 if absent
    runs: Option<u32>,
}

/// Workflows: their steps, and how these fared in the last runs
///
/// Journals of the last runs of each workflow are read: `runs.seen` says how many.
#[utoipa::path(get, path = "/workflows", operation_id = "list_workflows", tag = "Workflows", params(Which), responses((status = OK, body = Workflows)))]
pub(super) async fn list(caller: Caller, Filter(which): Filter<Which>) -> Result<Json<Workflows>, Problem> {
    let runs = which.runs.unwrap_or(RUNS);
    if runs > MOST {
        return Err(Problem::malformed(format!("`runs={runs}`: a number from 0 to {MOST}")));
    }
    let site = &caller.app.site;
    let served = site.served();
    let all = &served.project.workflows;
    if let Some(name) = which.workflow.as_deref().filter(|name| !all.contains_key(*name)) {
        return Err(versions::unknown(all, name));
    }
    let mut workflows = Vec::new();
    for (name, program) in all.iter().filter(|(name, _)| which.workflow.as_deref().is_none_or(|only| only == &***name))
    {
        let fared = lately::of_workflow(site, program, runs).await?;
        let counted = fared.counted;
        workflows.push(Workflow {
            name: name.clone(),
            title: program.title.clone(),
            version: served.project.bundle.digest.to_string(),
            runs: Counted {
                seen: counted.seen,
                completed: counted.completed,
                failed: counted.failed,
                cancelled: counted.cancelled,
                open: counted.open,
                right: counted.right,
                wrong: counted.wrong,
                disputed: counted.disputed,
            },
            charged_uusd: fared.cost.money_uusd,
            failed_uusd: fared.failed_uusd,
            wrong_uusd: fared.wrong_uusd,
            unpriced: fared.cost.unpriced,
            steps: fared.steps.iter().map(StepStands::of).collect(),
        });
    }
    Ok(Json(Workflows { workflows }))
}

impl StepStands {
    fn of(one: &OfStep<'_>) -> StepStands {
        let fared = &one.fared;
        let cost = fared.cost;
        let ms = |us: i64| u64::try_from(us / 1_000).unwrap_or_default();
        StepStands {
            name: one.step.name.clone(),
            stage: one.stage.clone(),
            kind: one.step.kind(),
            within: one.within.cloned(),
            done: fared.done(),
            skipped: fared.skipped,
            failures: fared.failures,
            success_rate: fared.success_rate(),
            latency_ms: fared.latency().map(|took| Latency {
                median: ms(took.median_us),
                p95: ms(took.p95_us),
                most: ms(took.most_us),
            }),
            cost: (cost.told + cost.unpriced > 0).then_some(Cost {
                money_uusd: cost.money_uusd,
                calls: cost.calls,
                time_us: cost.time_us,
                unpriced: cost.unpriced,
            }),
            tokens: fared.tokens,
            failure_kinds: fared.kinds.iter().map(|(kind, many)| ((*kind).to_owned(), *many)).collect(),
        }
    }
}

/// The workflow of that name, as it is served now.
fn served<'a>(all: &'a BTreeMap<Arc<str>, Arc<Program>>, name: &str) -> Result<&'a Arc<Program>, Problem> {
    all.get(name).ok_or_else(|| versions::unknown(all, name))
}

/// Versions of a workflow.
#[derive(Serialize, ToSchema)]
pub(super) struct Versions {
    versions: Vec<Version>,
}

/// A version that runs of a workflow follow, or that is served now.
#[derive(Serialize, ToSchema)]
struct Version {
    /// The bundle, by digest.
    version: String,
    /// New runs follow it.
    current: bool,
    /// How many runs follow it.
    runs: u64,
    /// When the first of them began; null: none did.
    since: Option<String>,
    /// When the last of them began.
    last: Option<String>,
}

/// The versions that runs of a workflow follow, the latest first
#[utoipa::path(
    get, path = "/workflows/{workflow}/versions", operation_id = "list_versions", tag = "Workflows",
    params(("workflow" = String, Path, description = "Its name")), responses((status = OK, body = Versions)),
)]
pub(super) async fn versions(caller: Caller, Path(name): Path<String>) -> Result<Json<Versions>, Problem> {
    let site = &caller.app.site;
    let now = site.served();
    let program = served(&now.project.workflows, &name)?;
    let all = versions::all(site, &program.name).await?;
    let version = |one: &versions::Version| Version {
        version: one.bundle.to_string(),
        current: one.current,
        runs: one.runs,
        since: one.since.map(|at| at.to_string()),
        last: one.last.map(|at| at.to_string()),
    };
    Ok(Json(Versions { versions: all.iter().map(version).collect() }))
}

/// Which two versions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Between {
    /// The version before, by its digest
    from: String,
    /// The one after; the one that is served now if absent
    to: Option<String>,
}

/// What differs between two versions.
#[derive(Serialize, ToSchema)]
pub(super) struct Changes {
    files: Vec<FileChange>,
    steps: Vec<StepChange>,
    contracts: Vec<ContractChange>,
}

/// A file that differs.
#[derive(Serialize, ToSchema)]
struct FileChange {
    file: Arc<str>,
    /// `added`, `removed` or `changed`.
    how: &'static str,
    /// The lines that differ, with three around them; `+`, `-` or a space in front.
    lines: Vec<String>,
}

/// A step of the workflow that differs.
#[derive(Serialize, ToSchema)]
struct StepChange {
    step: Arc<str>,
    file: Arc<str>,
    line: u32,
    how: &'static str,
    /// What of it, in words.
    what: Vec<String>,
}

/// A value whose type, options or presence is another one.
#[derive(Serialize, ToSchema)]
struct ContractChange {
    /// Whose value: a step, or `input`.
    of: Arc<str>,
    path: String,
    before: String,
    after: String,
    readers: Vec<Reader>,
}

/// Who reads it.
#[derive(Serialize, ToSchema)]
struct Reader {
    /// Null: the workflow itself, as its result.
    step: Option<Arc<str>>,
    file: Arc<str>,
    line: u32,
}

/// What differs between two versions of a workflow
///
/// A version holds workflows, prompts, schemas and tools: models, people and policies are not compared.
#[utoipa::path(
    get, path = "/workflows/{workflow}/changes", operation_id = "compare_versions", tag = "Workflows",
    params(("workflow" = String, Path, description = "Its name"), Between), responses((status = OK, body = Changes)),
)]
pub(super) async fn changes(
    caller: Caller,
    Path(name): Path<String>,
    Filter(between): Filter<Between>,
) -> Result<Json<Changes>, Problem> {
    let site = &caller.app.site;
    let now = site.served();
    let program = served(&now.project.workflows, &name)?;
    let Compared { files, changes } =
        versions::compare(site, &program.name, &between.from, between.to.as_deref()).await?;
    let file = |one: versions::FileChange| FileChange {
        file: one.file,
        how: one.how.as_str(),
        lines: one.lines.into_iter().map(|line| format!("{}{}", line.sign, line.text)).collect(),
    };
    let steps = changes.steps.into_iter().map(|one| StepChange {
        step: one.step,
        file: one.file,
        line: one.line,
        how: one.how.as_str(),
        what: one.what,
    });
    let contracts = changes.contracts.into_iter().map(|one| ContractChange {
        of: one.of,
        path: one.path,
        before: one.before,
        after: one.after,
        readers: one
            .readers
            .into_iter()
            .map(|reader| Reader { step: reader.step, file: reader.file, line: reader.line })
            .collect(),
    });
    Ok(Json(Changes {
        files: files.into_iter().map(file).collect(),
        steps: steps.collect(),
        contracts: contracts.collect(),
    }))
}
