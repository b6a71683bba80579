//! How fast the engine drives runs, through the public verbs: started and finished after COMMIT, chain verified at the end.
//!
//! `cargo run --release -p runtime --example pace -- [seconds] [directory]` prints one JSON line for each figure. Without a
//! directory it measures on the store in memory: then the figures are the engine's own. In a directory the journals are sealed as well,
//! unless a third argument names the figures and a fourth one says `unsealed`.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::{fmt::Write as _, sync::Arc, time::Duration};

use gateway::{
    Gateway,
    tool::native::{Call, Native},
};
use kernel::{
    values::{Span, Value},
    workflow::project::{self, Project, Sources},
};
use runtime::{Clock as _, Config, Runtime, Start, SystemClock, seals::Anchors};
use store::{
    RunQuery, Status, Store,
    memory::MemoryStore,
    sqlite::{SqliteOptions, SqliteStore},
};
use tokio::{sync::oneshot, task::JoinHandle, time::Instant};

type Failed = Box<dyn std::error::Error + Send + Sync>;

const RUNS: usize = 64;

fn main() -> Result<(), Failed> {
    let mut args = std::env::args().skip(1);
    let seconds: f64 = args.next().map_or(Ok(3.0), |text| text.parse())?;
    let dir = args.next();
    let only = args.next().filter(|only| only != "all");
    let sealed = args.next().is_none_or(|word| word != "unsealed");
    let time = Duration::from_secs_f64(seconds);
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    tokio.block_on(async {
        for figure in ["pure-10", "pure-100", "each-step", "acts", "lone", "fan-200", "long", "parked"] {
            if only.as_deref().is_some_and(|only| only != figure) {
                continue;
            }
            let house = House::new(figure, dir.as_deref(), sealed).await?;
            let line = match figure {
                "pure-10" | "each-step" => house.many(time, 10).await?,
                "pure-100" => house.many(time, 100).await?,
                "acts" => house.many(time, 10).await?,
                "lone" | "fan-200" => house.lone(time).await?,
                "long" => house.long().await?,
                _ => house.parked((seconds * 2_000.0) as usize).await?,
            };
            println!("{{\"figure\":\"{figure}\",{line}}}");
            house.close().await?;
        }
        Ok(())
    })
}

/// A runtime with a worker, a store, and one workflow.
struct House {
    store: Arc<dyn Store>,
    runtime: Runtime,
    project: Project,
    stop: oneshot::Sender<()>,
    worker: JoinHandle<Result<(), runtime::RunError>>,
    dir: Option<std::path::PathBuf>,
}

impl House {
    async fn new(figure: &str, dir: Option<&str>, sealed: bool) -> Result<House, Failed> {
        let dir = dir.map(|dir| std::path::Path::new(dir).join(format!("pace-{}-{figure}", std::process::id())));
        let store: Arc<dyn Store> = match &dir {
            None => Arc::new(MemoryStore::new()),
            Some(dir) => Arc::new(SqliteStore::open(dir, SqliteOptions::default())?),
        };
        let gateway = Gateway::new().with_tool("box", Native::new(|call: Call| async move { Ok(call.input) }));
        let config = Config { commit_every_step: figure == "each-step", ..Config::default() };
        let mut builder = Runtime::builder(store.clone()).gateway(gateway).config(config);
        if let Some(dir) = dir.as_deref().filter(|_| sealed) {
            builder = builder.anchors(Anchors::beside(dir));
        }
        let runtime = builder.build();
        let project = project(figure)?;
        runtime.deploy(&project.bundle).await?;
        let (stop, stopped) = oneshot::channel();
        let worker = tokio::spawn(runtime.worker().run(stopped));
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(House { store, runtime, project, stop, worker, dir })
    }

    fn start(&self, input: Value) -> Start {
        Start {
            bundle: self.project.bundle.digest,
            workflow: "pace".into(),
            input,
            key: None,
            tenant: None,
            starter: kernel::next::Starter::default(),
        }
    }

    /// Many runs at once, each followed by the next.
    async fn many(&self, time: Duration, steps: usize) -> Result<String, Failed> {
        let (begin, cpu) = (Instant::now(), cpu());
        let mut lanes = tokio::task::JoinSet::new();
        for _ in 0..RUNS {
            let (runtime, start) = (self.runtime.clone(), self.start(Value::Null));
            lanes.spawn(async move {
                let mut runs = 0_usize;
                while begin.elapsed() < time {
                    let run = runtime.start(start.clone()).await?.run;
                    runtime.finished(run).await?;
                    runs += 1;
                }
                Ok::<_, runtime::RunError>(runs)
            });
        }
        let mut runs = 0;
        while let Some(lane) = lanes.join_next().await {
            runs += lane??;
        }
        let steps = (runs * steps) as f64;
        let took = begin.elapsed().as_secs_f64();
        Ok(format!(
            "\"runs\":{runs},\"steps_per_s\":{:.0},\"cpu_us_per_step\":{:.2}",
            steps / took,
            (self::cpu() - cpu) * 1e6 / steps
        ))
    }

    /// One run after the other.
    async fn lone(&self, time: Duration) -> Result<String, Failed> {
        let (begin, mut took) = (Instant::now(), Vec::new());
        while begin.elapsed() < time {
            let input = Value::map([("items", Value::list((0..200).map(Value::Int)))]);
            let one = Instant::now();
            let run = self.runtime.start(self.start(input)).await?.run;
            self.runtime.finished(run).await?;
            took.push(one.elapsed());
        }
        took.sort_unstable();
        let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
        Ok(format!("\"runs\":{},\"p50_ms\":{:.3},\"p99_ms\":{:.3}", took.len(), at(0.5), at(0.99)))
    }

    /// The cost of a late step of a long run against an early one, by the CPU.
    async fn long(&self) -> Result<String, Failed> {
        let mut costs = Vec::new();
        for (runs, turns) in [(200, 100_i64), (2, 10_000)] {
            let before = cpu();
            for _ in 0..runs {
                let run = self.runtime.start(self.start(Value::Int(turns))).await?.run;
                self.runtime.finished(run).await?;
            }
            costs.push((cpu() - before) * 1e6 / (runs * turns) as f64);
        }
        Ok(format!(
            "\"us_of_100\":{:.2},\"us_of_10000\":{:.2},\"ratio\":{:.2}",
            costs[0],
            costs[1],
            costs[1] / costs[0]
        ))
    }

    /// Runs that wait for the same moment, and come back all at once.
    async fn parked(&self, count: usize) -> Result<String, Failed> {
        let (begin, clock) = (Instant::now(), SystemClock::new());
        let due = clock.now() + Span::from_millis(5_000 + count as i64 / 4);
        let input = Value::map([("text", Value::from("x".repeat(1_000))), ("at", Value::from(due.to_string()))]);
        let mut lanes = tokio::task::JoinSet::new();
        for _ in 0..RUNS {
            let (runtime, start) = (self.runtime.clone(), self.start(input.clone()));
            lanes.spawn(async move {
                let mut runs = Vec::new();
                for _ in 0..count / RUNS {
                    runs.push(runtime.start(start.clone()).await?.run);
                }
                Ok::<_, runtime::RunError>(runs)
            });
        }
        let mut runs = Vec::with_capacity(count);
        while let Some(lane) = lanes.join_next().await {
            runs.extend(lane??);
        }
        let took = begin.elapsed().as_secs_f64();
        clock.sleep_until(due).await;
        let (memory, begin, cpu) = (resident(), Instant::now(), cpu());
        let open = RunQuery {
            status: vec![Status::Waiting, Status::Queued, Status::Running],
            limit: 1,
            ..RunQuery::default()
        };
        while !self.store.runs(open.clone()).await?.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let back = begin.elapsed().as_secs_f64();
        let count = runs.len() as f64;
        Ok(format!(
            "\"runs\":{count},\"parked_per_s\":{:.0},\"resident_mb\":{memory},\"resumed_per_s\":{:.0},\"cpu_us_per_resume\":{:.1}",
            count / took,
            count / back,
            (self::cpu() - cpu) * 1e6 / count
        ))
    }

    async fn close(self) -> Result<(), Failed> {
        drop(self.stop);
        self.worker.await??;
        let findings = self.store.check().await?;
        if !findings.is_empty() {
            return Err(format!("the store is damaged: {:?}", &findings[..findings.len().min(3)]).into());
        }
        drop((self.runtime, self.store));
        if let Some(dir) = self.dir {
            std::fs::remove_dir_all(dir)?;
        }
        Ok(())
    }
}

fn project(figure: &str) -> Result<Project, Failed> {
    let mut steps = String::new();
    match figure {
        "acts" => {
            for step in 0..10 {
                writeln!(steps, "      - {{ step: s{step}, act: box.put, with: {{ text: value {step} }} }}")?;
            }
        }
        "fan-200" => steps.push_str(
            "      - step: all\n        each: input.items\n        as: thing\n        max_parallel: 200\n        steps: [ { step: put, act: box.put, with: { text: =thing } } ]\n",
        ),
        "long" => steps.push_str(
            "      - step: all\n        repeat: { until: index + 1 >= input, max: 100000, steps: [ { step: one, set: { at: =index } } ] }\n",
        ),
        "parked" => {
            for step in 0..3 {
                writeln!(steps, "      - {{ step: s{step}, set: {{ value: {step} }} }}")?;
            }
            steps.push_str("      - { step: pause, wait: { until: input.at } }\n      - { step: last, set: { done: true } }\n");
        }
        _ => {
            let count = if figure == "pure-100" { 100 } else { 10 };
            steps.push_str("      - { step: s0, set: { value: 0 } }\n");
            for step in 1..count {
                writeln!(steps, "      - {{ step: s{step}, set: {{ value: \"=s{}.value + 1\" }} }}", step - 1)?;
            }
        }
    }
    let sources: Sources = [
        ("surefoot.yaml".to_owned(), "project: pace\n".to_owned()),
        ("workflows/pace.yaml".to_owned(), format!("workflow: pace\nstages:\n  - stage: only\n    steps:\n{steps}")),
        (
            "tools/box.yaml".to_owned(),
            "tool: box\nnative: true\noperations: { put: { effect: idempotent } }\n".to_owned(),
        ),
    ]
    .into_iter()
    .collect();
    let checked = project::check(&sources);
    checked.project.ok_or_else(|| format!("{:?}", checked.complaints).into())
}

/// Seconds of CPU that this process has used, in all its threads.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Resident memory in MB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) / 1024
}
