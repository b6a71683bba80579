use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use kernel::{
    context::{Manifest, ModelRequest, would_ask},
    governance::budget::{Price, PriceFrom, Tariff},
    ids::{Digest, StepPath},
    journal::Event,
    values::Money,
    workflow::{Program, bundle::Bundle},
};
use runtime::{Clock as _, SystemClock, asked::Past};
use serde_json::json;
use store::{RunQuery, RunRow, Store};

use crate::{
    cli::{
        Scene,
        out::{BAD, FAINT, GOOD, STRONG, paint},
        session::{self, Data},
    },
    error::CliError,
    exit::Exit,
};

/// Compare what two versions of a project show to models, over runs that were recorded
///
/// Each call of each run is put together twice, in the state in which it was made: as A would, and as B would. What it costs is the
/// price of uncached input in the project file, for a million tokens.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// A project's folder, or the digest of a bundle that a run of the data directory follows
    #[arg(value_name = "A")]
    a: String,
    /// The other one
    #[arg(value_name = "B")]
    b: String,
    #[command(flatten)]
    data: Data,
    /// Only runs of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// At most so many runs, the latest first
    #[arg(long, value_name = "N", default_value_t = 100)]
    runs: usize,
}

/// One version.
struct Version {
    programs: BTreeMap<Arc<str>, Arc<Program>>,
    /// What a million tokens of input cost, by model.
    prices: BTreeMap<Arc<str>, Price>,
}

/// How one step compares.
#[derive(Default)]
struct Compared {
    calls: u64,
    /// One of the two does not ask there, or cannot: in words, how often.
    apart: BTreeMap<String, u64>,
    tokens: [u64; 2],
    /// Millionths of a dollar; `None`: a model has no price.
    money: [Option<u64>; 2],
    /// By layer and piece.
    pieces: BTreeMap<String, [Option<u64>; 2]>,
    /// Where the system texts differ first, at the earliest, and how long the cached prefix of A is there.
    diverges: Option<(usize, usize)>,
}

impl Diff {
    pub(super) async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let folder = if Path::new(&self.a).is_dir() { PathBuf::from(&self.a) } else { PathBuf::from(".") };
        let store = self.data.open_existing(&folder)?;
        let rows = self.rows(&*store).await?;
        let a = Version::read(&self.a, &*store, &rows).await?;
        let b = Version::read(&self.b, &*store, &rows).await?;
        let mut steps: BTreeMap<(Arc<str>, String), Compared> = BTreeMap::new();
        let mut runs: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for row in &rows {
            let (Some(of_a), Some(of_b)) = (a.programs.get(&row.workflow), b.programs.get(&row.workflow)) else {
                continue;
            };
            *runs.entry(row.workflow.clone()).or_default() += 1;
            compare(&*store, row, [(of_a, &a), (of_b, &b)], &mut steps).await?;
        }
        if steps.is_empty() {
            let error = CliError::not_found("no recorded run of a workflow that both have asked a model");
            return Err(error.hint("name the data of some with `--data DIR`"));
        }
        for ((workflow, step), compared) in &steps {
            let runs = runs.get(workflow).copied().unwrap_or(1).max(1);
            if scene.out.json {
                scene.out.object(&compared.as_json(workflow, step, runs));
            } else {
                compared.tell(scene, workflow, step, runs);
            }
        }
        Ok(Exit::Ok)
    }

    async fn rows(&self, store: &dyn Store) -> Result<Vec<RunRow>, CliError> {
        const PAGE: u32 = 500;
        let mut query =
            RunQuery { workflow: self.workflow.as_deref().map(Into::into), limit: PAGE, ..RunQuery::default() };
        let mut rows: Vec<RunRow> = Vec::new();
        while rows.len() < self.runs {
            let page = store.runs(query.clone()).await?;
            let Some(last) = page.last() else { break };
            query.before = Some(last.run);
            rows.extend(page);
        }
        rows.truncate(self.runs);
        Ok(rows)
    }
}

impl Version {
    async fn read(named: &str, store: &dyn Store, rows: &[RunRow]) -> Result<Version, CliError> {
        let folder = Path::new(named);
        if folder.is_dir() {
            let sources = crate::project::read(folder, true)?;
            let checked = crate::project::check(&sources);
            let Some(project) = checked.project else {
                let error = CliError::new(Exit::Project, format!("the project {named} has errors"));
                return Err(error.hint(format!("`surefoot check {named}` says which")));
            };
            let now = SystemClock::new().now();
            let price = |tariff: &Tariff| match tariff.price(now, 0) {
                (price, PriceFrom::Free) => Some(price.unwrap_or(Price::NOTHING)),
                (price, _) => price,
            };
            let models = project.file.models.iter();
            let prices = models.filter_map(|(name, model)| Some((name.clone(), price(&model.tariff)?))).collect();
            return Ok(Version { programs: project.workflows, prices });
        }
        let known = rows.iter().map(|row| row.bundle).find(|bundle| bundle.to_string().starts_with(named));
        let Some(digest) = known.filter(|_| named.len() >= 4) else {
            let error = CliError::not_found(format!("`{named}` is no folder, and no bundle of the recorded runs"));
            return Err(error.hint("name a project's folder, or four or more characters of a bundle's digest"));
        };
        let Some(bytes) = store.bundle(digest).await? else {
            return Err(CliError::not_found(format!("bundle {digest} is not in the store")));
        };
        Bundle::open(&bytes).map_err(|why| unreadable(digest, why))?;
        let mut programs = BTreeMap::new();
        let names: Vec<Arc<str>> = rows.iter().map(|row| row.workflow.clone()).collect();
        for name in &names {
            if !programs.contains_key(name)
                && let Ok(program) = Program::load(&bytes, name)
            {
                programs.insert(name.clone(), program);
            }
        }
        Ok(Version { programs, prices: BTreeMap::new() })
    }
}

fn unreadable(digest: Digest, why: kernel::workflow::bundle::LoadError) -> CliError {
    CliError::new(Exit::Project, format!("bundle {digest} cannot be read")).caused_by(why)
}

async fn compare(
    store: &dyn Store,
    row: &RunRow,
    versions: [(&Arc<Program>, &Version); 2],
    steps: &mut BTreeMap<(Arc<str>, String), Compared>,
) -> Result<(), CliError> {
    let entries = session::journal(store, row.run).await?;
    let mut past = Past::new(store, row.run);
    for entry in &entries {
        let Ok(event) = entry.event() else { break };
        if past.apply(entry, event.clone()).is_err() {
            break;
        }
        let Event::ModelAsked { step, .. } = event else { continue };
        let compared = steps.entry((row.workflow.clone(), step.name().to_owned())).or_default();
        compared.calls += 1;
        let mut made: Vec<(ModelRequest, Manifest)> = Vec::new();
        for ((program, _), which) in versions.iter().zip(["A", "B"]) {
            match past.make(|state, blobs| would_ask(program, state, &step, blobs)).await? {
                Ok(one) => made.push(one),
                Err(why) => *compared.apart.entry(format!("{which}: {}", in_words(&why, &step))).or_default() += 1,
            }
        }
        if let Ok([a, b]) = <[_; 2]>::try_from(made) {
            compared.count([&a, &b], versions.map(|(_, version)| version));
        }
    }
    Ok(())
}

fn in_words(why: &kernel::context::NotRebuilt, step: &StepPath) -> String {
    match why {
        kernel::context::NotRebuilt::NotAsking(_) => format!("has no step `{}` that asks there", step.name()),
        other => other.to_string(),
    }
}

impl Compared {
    fn count(&mut self, made: [&(ModelRequest, Manifest); 2], versions: [&Version; 2]) {
        for (index, (request, manifest)) in made.iter().enumerate() {
            let first = self.tokens[index] == 0;
            self.tokens[index] += manifest.tokens_est;
            let price = versions[index].prices.get(&request.model);
            let cost = price.map(|price| {
                manifest.tokens_est.saturating_mul(price.input.micros().unsigned_abs()).div_ceil(1_000_000)
            });
            self.money[index] = match (self.money[index], cost) {
                (None, cost) if first => cost,
                (Some(sum), Some(cost)) => Some(sum + cost),
                _ => None,
            };
            for segment in &manifest.segments {
                let layer = json!(segment.layer);
                let key = format!("{} {}", layer.as_str().unwrap_or_default(), segment.id);
                let piece = self.pieces.entry(key).or_default();
                piece[index] = Some(piece[index].unwrap_or(0) + segment.tokens_est);
            }
        }
        let [(a, _), (b, _)] = made;
        let same = a.system.bytes().zip(b.system.bytes()).take_while(|(a, b)| a == b).count();
        if same < a.system.len().max(b.system.len()) {
            let cached = a.edges.last().copied().unwrap_or(0);
            if self.diverges.is_none_or(|(earliest, _)| same < earliest) {
                self.diverges = Some((same, cached));
            }
        }
    }

    fn compared(&self) -> u64 {
        // Each call that one of the two cannot make is told once for each.
        self.calls.saturating_sub(self.apart.values().copied().max().unwrap_or(0)).max(1)
    }

    fn per_thousand(&self, runs: u64) -> [u64; 2] {
        self.tokens.map(|tokens| tokens * 1000 / runs)
    }

    fn as_json(&self, workflow: &str, step: &str, runs: u64) -> serde_json::Value {
        let pieces: Vec<_> =
            self.pieces.iter().map(|(piece, [a, b])| json!({ "piece": piece, "a": a, "b": b })).collect();
        json!({
            "workflow": workflow, "step": step, "runs": runs, "calls": self.calls, "apart": self.apart,
            "tokens": { "a": self.tokens[0], "b": self.tokens[1] },
            "tokens_per_call": { "a": self.tokens[0] / self.compared(), "b": self.tokens[1] / self.compared() },
            "tokens_per_1000_runs": { "a": self.per_thousand(runs)[0], "b": self.per_thousand(runs)[1] },
            "money_uusd": { "a": self.money[0], "b": self.money[1] },
            "money_uusd_per_1000_runs": {
                "a": self.money[0].map(|sum| sum * 1000 / runs), "b": self.money[1].map(|sum| sum * 1000 / runs) },
            "pieces": pieces,
            "diverges_at": self.diverges.map(|(at, _)| at),
            "cached_prefix": self.diverges.map(|(_, cached)| cached),
        })
    }

    fn tell(&self, scene: &Scene, workflow: &str, step: &str, runs: u64) {
        let out = &scene.out;
        let calls = self.compared();
        out.line(format!(
            "{} {}",
            paint(STRONG, format!("{workflow} · {step}")),
            paint(FAINT, format!("{} calls of {runs} runs", self.calls))
        ));
        for (why, times) in &self.apart {
            out.line(format!("  {} {why} ({times} calls)", paint(BAD, "apart  ")));
        }
        if self.tokens == [0, 0] {
            return;
        }
        let [a, b] = self.tokens;
        out.line(format!("  tokens  {} a call, {} in 1,000 runs", arrow(a / calls, b / calls), {
            let [a, b] = self.per_thousand(runs);
            arrow(a, b)
        }));
        if let [Some(a), Some(b)] = self.money.map(|sum| sum.filter(|sum| *sum > 0)) {
            let money = |micros: u64| Money::from_micros(i64::try_from(micros).unwrap_or(i64::MAX));
            out.line(format!(
                "  money   {} → {} a call, {} → {} in 1,000 runs",
                money(a / calls),
                money(b / calls),
                money(a * 1000 / runs),
                money(b * 1000 / runs)
            ));
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        for (piece, [a, b]) in &self.pieces {
            let (sign, what) = match (a, b) {
                (Some(a), Some(b)) if a == b => continue,
                (Some(a), Some(b)) => (paint(FAINT, "~"), arrow(a / calls, b / calls)),
                (Some(a), None) => (paint(BAD, "-"), format!("{}", a / calls)),
                (None, Some(b)) => (paint(GOOD, "+"), format!("{}", b / calls)),
                (None, None) => continue,
            };
            table.add_row([sign, piece.clone(), what]);
        }
        if let Some(column) = table.column_mut(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if self.pieces.values().any(|[a, b]| a != b) {
            table.lines().for_each(|line| out.line(format!("  {}", line.trim_end())));
        }
        match self.diverges {
            None => out.line("  prefix  the system texts are the same"),
            Some((at, cached)) if at < cached => {
                out.line(format!("  prefix  diverges at byte {at}: {} of {cached} cached bytes are lost", cached - at));
            }
            Some((at, cached)) => {
                out.line(format!("  prefix  diverges at byte {at}, after the {cached} cached bytes"));
            }
        }
    }
}

fn arrow(a: u64, b: u64) -> String {
    if a == b {
        return a.to_string();
    }
    let sign = if b > a { "+" } else { "-" };
    format!("{a} → {b} ({sign}{})", a.abs_diff(b))
}
