//! Pages and lists over many runs: how long the server takes for each, and whether its memory stays as it is.
//!
//! The runs are real: started and driven by a worker of this process, with approvals, work, signals that are waited for, and failures. The
//! time is what the server says in `Server-Timing`; requests come over loopback.

use std::{collections::BTreeMap, net::Ipv4Addr, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use gateway::tool::native::Call;
use kernel::{
    recovery::{Failure, FailureKind, Phase},
    values::Value,
};
use runtime::{Config, SystemRandom};
use serde_json::Map;
use store::{
    ActionQuery, ActionState, ApprovalQuery, FindQuery, RunQuery, Status, Store as _, WorkQuery,
    sqlite::{SqliteOptions, SqliteStore},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use web::{Served, Server, Sessions, Site};

use super::{Ground, Working, build, memory, quantile, rate};
use crate::{cli::Scene, embed::Surefoot, error::CliError};

/// How the pages are asked for.
#[derive(Clone, Debug, Args)]
pub(super) struct Pages {
    /// Measure on the data that an earlier measurement left here, and make none
    #[arg(long, value_name = "DIR")]
    filled: Option<PathBuf>,
    /// Connections that ask at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    connections: usize,
    /// Requests for each path
    #[arg(long, value_name = "N", default_value_t = 200)]
    requests: usize,
    /// Ask for everything so often, and say how much memory there is after each time
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: usize,
}

/// Starts under way at once while the data are made.
const CALLERS: usize = 256;
/// Sessions that take turns: each may send only so much at once.
const SESSIONS: usize = 60;

const SHIP: &str = "workflow: w\nresult: { value: =last.n }\nabout: { order: =input.order, party: =input.party, region: =input.region }\n\
    stages:\n  - stage: all\n    steps:\n      - { step: one, set: { text: =input.text, n: 1 } }\n      - { step: two, set: { n: \"=one.n + 1\" } }\n      \
    - { step: last, set: { n: \"=two.n + 1\" } }\n";

const FILES: [(&str, &str); 7] = [
    ("people.yaml", "groups: { desk: {} }\npeople:\n  sue: { name: Sue, groups: [ desk ] }\n"),
    (
        "schemas/order.yaml",
        "type: object\nproperties: { order: { type: string, x-labels: [ trusted ] } }\nrequired: [ order ]\n",
    ),
    (
        "tools/noop.yaml",
        "tool: noop\nnative: true\noperations:\n  touch: { effect: idempotent }\n  pay: { effect: at_most_once }\n",
    ),
    (
        "workflows/agree.yaml",
        "workflow: agree\ninput: schemas/order.yaml\nresult: { value: =input.order }\nabout: { order: =input.order }\nstages:\n  - stage: all\n    steps:\n      \
         - step: release\n        approve: { ask: \"Agree to {{ input.order }}?\", of: desk }\n",
    ),
    (
        "workflows/call.yaml",
        "workflow: call\ninput: schemas/order.yaml\nresult: { value: =back }\nabout: { order: =input.order }\nstages:\n  - stage: all\n    steps:\n      \
         - step: back\n        handoff:\n          to: { person: desk }\n          task: \"Call about {{ input.order }}\"\n          \
         with: { order: =input.order }\n          contract: schemas/order.yaml\n",
    ),
    (
        "workflows/hold.yaml",
        "workflow: hold\nresult: { value: =woken.body }\nabout: { order: =input.order, region: =input.region }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: woken, wait: { signal: go } }\n",
    ),
    (
        "workflows/bill.yaml",
        "workflow: bill\nresult: { value: =done }\nabout: { order: =input.order, party: =input.party }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: done, act: noop.touch, with: { how: =input.how } }\n",
    ),
];

const PAY: (&str, &str) = (
    "workflows/pay.yaml",
    "workflow: pay\ninput: schemas/order.yaml\nresult: { value: =done }\nabout: { order: =input.order }\nstages:\n  - stage: all\n    steps:\n      \
     - { step: done, act: noop.pay, with: { order: =input.order } }\n",
);

pub(super) async fn run(scene: &Scene, ground: &Ground, pages: &Pages) -> Result<(), CliError> {
    let dir = pages.filled.clone().unwrap_or_else(|| ground.dir.join("pages"));
    let store = Arc::new(SqliteStore::open(&dir, SqliteOptions::default())?);
    let surefoot = project(store.clone(), ground)?;
    if pages.filled.is_none() {
        fill(scene, ground, &store, &surefoot).await?;
    }
    let paths = paths(&store).await?;
    let sessions = Sessions::new(Arc::new(SystemRandom), None);
    let served = Served {
        runtime: surefoot.runtime().clone(),
        project: surefoot.project().clone(),
        sources: surefoot.sources().clone(),
        start_key: Arc::new(|_, _| None),
        // Nothing is downloaded.
        copies: None,
    };
    let io = |error| CliError::io("loopback cannot be used", error);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(io)?;
    let address = listener.local_addr().map_err(io)?;
    let server = Server::new(vec![Site::new("", served)], sessions.clone());
    let server = tokio::spawn(server.serve(listener, std::future::pending()));
    // Once through all: code, caches and prepared statements are there before memory is looked at.
    let enter = async || -> std::io::Result<Vec<String>> {
        let mut cookies = Vec::with_capacity(SESSIONS);
        for _ in 0..SESSIONS {
            let mut line = Line::open(address).await?;
            cookies.push(line.get(&format!("/enter?token={}", sessions.link()), "").await?.cookie);
        }
        Ok(cookies)
    };
    let mut cookies = enter().await.map_err(io)?;
    let mut line = Line::open(address).await.map_err(io)?;
    for (_, path) in &paths {
        line.get(path, &cookies[0]).await.map_err(io)?;
    }
    let (before, _) = memory();
    let (mut slowest, mut over) = (0.0_f64, Vec::new());
    for (number, (name, path)) in paths.iter().enumerate() {
        let heard = ask(address, pages, &cookies, (number, path)).await?;
        let bytes = heard.first().map_or(0, |answer| answer.bytes);
        let mut times: Vec<Duration> = heard.iter().map(|answer| answer.took).collect();
        let mut said = ground.line("pages");
        said.remove("at_once");
        said.remove("commit_every_step");
        said.insert("page".into(), (*name).into());
        said.insert("path".into(), path.clone().into());
        said.insert("requests".into(), times.len().into());
        said.insert("connections".into(), pages.connections.into());
        said.insert("bytes".into(), bytes.into());
        for (name, part) in [("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)] {
            let took = quantile(&mut times, part);
            if name == "p95_ms" {
                slowest = slowest.max(took);
                over.extend((took > 50.0).then(|| path.clone()));
            }
            said.insert(name.into(), took.into());
        }
        scene.out.object(&said.into());
    }
    let mut after = vec![memory().0];
    for _ in 1..pages.rounds {
        cookies = enter().await.map_err(io)?;
        for (number, (_, path)) in paths.iter().enumerate() {
            ask(address, pages, &cookies, (number, path)).await?;
        }
        after.push(memory().0);
    }
    let (_, peak) = memory();
    let mut line: Map<String, serde_json::Value> = ground.line("pages");
    line.remove("at_once");
    line.remove("commit_every_step");
    let counts = store.run_counts().await?;
    line.insert("runs".into(), counts.iter().map(|count| count.runs).sum::<u64>().into());
    let mut stands: BTreeMap<&str, u64> = BTreeMap::new();
    counts.iter().for_each(|count| *stands.entry(count.status.as_str()).or_default() += count.runs);
    line.insert("stand".into(), serde_json::json!(stands));
    line.insert("slowest_p95_ms".into(), slowest.into());
    line.insert("p95_above_50_ms".into(), over.into());
    line.insert("rss_mb_before".into(), before);
    line.insert("rss_mb_after".into(), after.into());
    line.insert("peak_rss_mb".into(), peak);
    scene.out.object(&line.into());
    server.abort();
    Ok(())
}

/// Asks for one path over all connections, each in a session of its own.
async fn ask(
    address: std::net::SocketAddr,
    pages: &Pages,
    cookies: &[String],
    (number, path): (usize, &str),
) -> Result<Vec<Answer>, CliError> {
    let each = pages.requests.div_ceil(pages.connections.max(1));
    let asking = (0..pages.connections.max(1)).map(|place| {
        let cookie = cookies[(number * pages.connections + place) % cookies.len()].clone();
        let path = path.to_owned();
        tokio::spawn(async move {
            let mut line = Line::open(address).await?;
            let mut heard = Vec::with_capacity(each);
            for _ in 0..each {
                heard.push(line.get(&path, &cookie).await?);
            }
            Ok::<_, std::io::Error>(heard)
        })
    });
    let mut heard = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        let asked = asked.await.map_err(|error| CliError::internal("an asker panicked").caused_by(error))?;
        heard.extend(asked.map_err(|error| CliError::io("loopback cannot be used", error))?);
    }
    // A search that finds one goes there at once.
    match heard.iter().find(|answer| !matches!(answer.status, 200 | 303)) {
        Some(wrong) => Err(CliError::internal(format!("{path} was answered with {}", wrong.status))),
        None => Ok(heard),
    }
}

fn project(store: Arc<SqliteStore>, ground: &Ground) -> Result<Surefoot, CliError> {
    let config = Config { commit_every_step: ground.commit_every_step, most_runs: 1024, ..Config::default() };
    let tool = |call: Call| async move {
        let how = call.input.get("how").and_then(Value::as_str).unwrap_or_default();
        let (kind, phase) = match (&*call.operation, how) {
            ("pay", _) => (FailureKind::ToolTimeout, Phase::MaybeSent),
            (_, "refused") => (FailureKind::ToolRejected, Phase::Answered),
            _ => (FailureKind::Internal, Phase::Answered),
        };
        Err(Failure { kind, phase, detail: "as the measurement wants it".to_owned(), retry_after: None })
    };
    let mut files = FILES.to_vec();
    files.push(PAY);
    build(store, SHIP, config, tool, &files)
}

/// Starts the runs and lets a worker drive them until nothing moves any more.
async fn fill(scene: &Scene, ground: &Ground, store: &SqliteStore, surefoot: &Surefoot) -> Result<(), CliError> {
    let runs = ground.runs.unwrap_or(200_000);
    let working = Working::begin(surefoot);
    surefoot.deploy().await?;
    let begun = Instant::now();
    let one = |number| start(surefoot, number);
    stream::iter(0..runs).map(one).buffer_unordered(CALLERS).try_collect::<Vec<()>>().await?;
    super::settled(store, &[]).await?;
    // Some are paused, as people do.
    let query = RunQuery {
        workflow: Some("hold".into()),
        limit: u32::try_from(runs / 500).unwrap_or(1),
        ..RunQuery::default()
    };
    let rows = store.runs(query).await?;
    let paused = rows.iter().map(|row| surefoot.runtime().pause(row.run, "sue"));
    stream::iter(paused).buffer_unordered(CALLERS).try_collect::<Vec<_>>().await?;
    super::settled(store, &[]).await?;
    let mut line = ground.line("pages, filled");
    line.insert("runs".into(), runs.into());
    line.insert("runs_per_s".into(), rate(runs as u64, begun.elapsed()).into());
    working.end().await?;
    scene.out.object(&line.into());
    Ok(())
}

/// Of a thousand runs 900 are shipped; the others wait, fail, or leave something open.
async fn start(surefoot: &Surefoot, number: usize) -> Result<(), CliError> {
    let place = number % 1000;
    let (workflow, how) = match place {
        900..910 => ("agree", ""),
        910..920 => ("call", ""),
        920..950 => ("hold", ""),
        950..975 => ("bill", "refused"),
        975..995 => ("bill", "wrong"),
        995.. => ("pay", ""),
        _ => ("w", ""),
    };
    let regions = ["north", "east", "south", "west"];
    let text = |text: String| Value::Text(text.into());
    let input = match workflow {
        "agree" | "call" | "pay" => Value::map([("order", text(format!("A-{number}")))]),
        _ => Value::map([
            ("order", text(format!("A-{number}"))),
            ("party", text(format!("c-{}", number % 5_000))),
            ("region", text(regions[number % 4].to_owned())),
            ("text", text("x".repeat(200))),
            ("how", text(how.to_owned())),
        ]),
    };
    surefoot.start(workflow, input).await?;
    Ok(())
}

/// Every list, with the filters that people use, the search, a run of each sort, and the same of the API: a name and a path each.
async fn paths(store: &SqliteStore) -> Result<Vec<(&'static str, String)>, CliError> {
    let one = async |status: Status, workflow: &str| -> Result<String, CliError> {
        let query = RunQuery { status: vec![status], workflow: Some(workflow.into()), limit: 1, ..RunQuery::default() };
        let rows = store.runs(query).await?;
        let missing = || CliError::usage(format!("there is no run of `{workflow}` that is {}", status.as_str()));
        Ok(rows.first().ok_or_else(missing)?.run.to_string())
    };
    let (shipped, failed) = (one(Status::Completed, "w").await?, one(Status::Failed, "bill").await?);
    let held = one(Status::Waiting, "hold").await?;
    let doubts = ActionQuery { state: Some(ActionState::Unknown), limit: 1, ..ActionQuery::default() };
    let doubts = store.open_actions(doubts).await?;
    let unknown = doubts.first().map_or_else(|| held.clone(), |row| row.run.to_string());
    let middle = store.find(FindQuery { text: "A-1000".to_owned(), whole: true, ..FindQuery::default() }).await?;
    let middle = middle.first().map_or_else(|| shipped.clone(), |found| found.row.run.to_string());
    let approvals = store.approvals(ApprovalQuery { limit: 500, ..ApprovalQuery::default() }).await?;
    let work = store.work(WorkQuery { limit: 500, ..WorkQuery::default() }).await?;
    let approval = approvals.last().map(|row| row.id.to_string()).unwrap_or_default();
    let item = work.last().map(|row| row.id.to_string()).unwrap_or_default();
    let kinds = store.run_counts().await?;
    let kind = kinds.iter().find_map(|count| count.failure.clone()).unwrap_or_else(|| "internal".into());
    let api = |path: &str| format!("/api/v1{path}");
    Ok(vec![
        ("needs attention", "/".to_owned()),
        ("runs", "/runs".to_owned()),
        ("runs", format!("/runs?before={middle}")),
        ("runs", "/runs?status=completed".to_owned()),
        ("runs", "/runs?status=failed".to_owned()),
        ("runs", "/runs?status=paused&status=blocked&status=quarantined".to_owned()),
        ("runs", "/runs?workflow=pay".to_owned()),
        ("runs", "/runs?workflow=w&status=completed".to_owned()),
        ("runs", format!("/runs?status=failed&failure={kind}")),
        ("runs", "/runs?about=party%3Dc-17".to_owned()),
        ("runs", "/runs?about=region%3Dnorth".to_owned()),
        ("runs", "/runs?about=region%3Dnorth&status=paused".to_owned()),
        ("runs", "/runs?about=region%3Dnorth&status=waiting".to_owned()),
        ("search", "/search?q=A-".to_owned()),
        ("search", "/search?q=a-12".to_owned()),
        ("search", "/search?q=c-4017".to_owned()),
        ("search", "/search?q=run_0".to_owned()),
        ("search", "/search?q=nothing+is+called+so".to_owned()),
        ("approvals", "/approvals".to_owned()),
        ("approvals", format!("/approvals?after={approval}")),
        ("approval", format!("/approvals/{approval}")),
        ("work", "/work".to_owned()),
        ("work", format!("/work?group=desk&after={item}")),
        ("work item", format!("/work/{item}")),
        ("effects", "/effects".to_owned()),
        ("money", "/money".to_owned()),
        ("holds", "/holds".to_owned()),
        ("workflows", "/workflows".to_owned()),
        ("workflow", "/workflows/bill".to_owned()),
        ("policies", "/policies".to_owned()),
        ("run", format!("/runs/{shipped}")),
        ("run", format!("/runs/{failed}")),
        ("run", format!("/runs/{held}")),
        ("run", format!("/runs/{unknown}")),
        ("evidence", format!("/runs/{failed}/evidence")),
        ("api", api("/runs")),
        ("api", api("/runs?limit=500")),
        ("api", api("/runs?status=waiting&status=paused")),
        ("api", api("/runs?q=a-12")),
        ("api", api("/runs/counts")),
        ("api", api(&format!("/runs/{shipped}"))),
        ("api", api(&format!("/runs/{shipped}/entries"))),
        ("api", api("/approvals?limit=500")),
        ("api", api("/work?limit=500")),
        ("api", api("/effects?unknown=true")),
        ("api", api("/workflows")),
    ])
}

/// One connection that is kept.
struct Line {
    stream: BufReader<TcpStream>,
    host: String,
}

/// What came back.
struct Answer {
    status: u16,
    took: Duration,
    bytes: usize,
    cookie: String,
}

impl Line {
    async fn open(address: std::net::SocketAddr) -> std::io::Result<Line> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Line { stream: BufReader::new(stream), host: address.to_string() })
    }

    async fn get(&mut self, path: &str, cookie: &str) -> std::io::Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n", self.host);
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let wrong = |what: &str| std::io::Error::other(format!("{what} in the answer to {path}"));
        let mut text = String::new();
        self.stream.read_line(&mut text).await?;
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| wrong("no status"))?;
        let mut answer = Answer { status, took: Duration::ZERO, bytes: 0, cookie: String::new() };
        loop {
            text.clear();
            self.stream.read_line(&mut text).await?;
            let Some((name, value)) = text.trim_end().split_once(": ") else { break };
            match &*name.to_ascii_lowercase() {
                "content-length" => answer.bytes = value.parse().map_err(|_| wrong("no length"))?,
                "set-cookie" => answer.cookie = value.split(';').next().unwrap_or_default().to_owned(),
                "server-timing" => {
                    let took = value.rsplit('=').next().and_then(|ms| ms.parse::<f64>().ok());
                    answer.took = Duration::from_secs_f64(took.ok_or_else(|| wrong("no time"))? / 1_000.0);
                }
                _ => {}
            }
        }
        let mut body = vec![0; answer.bytes];
        self.stream.read_exact(&mut body).await?;
        Ok(answer)
    }
}
