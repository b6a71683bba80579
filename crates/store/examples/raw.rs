//! How fast the embedded store writes, fsyncs included, beside what the device itself can do in the same run.
//!
//! `cargo run --release -p store --example raw -- [seconds] [directory]` prints JSON lines: the device before and after, and for 1 and
//! 10 entries an append what the writer manages when the entries are sealed beforehand (`"sealed": "before"`), and what it and
//! one thread of appenders manage together when they seal as they go (`"while"`). The same for governed actions: an append that begins
//! one, with a guard on what it was judged by, and one that ends it. At the end every journal is verified.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kernel::{
    governance::{Effect, Proposal, Verdict},
    ids::{Digest, IdempotencyKey, RunId, StepPath, WorkerId},
    journal::{Entry, Event, Head, Held, StepResult},
    values::{Span, Timestamp, Value},
};
use store::{
    Append, Appended, Expect, Guard, NewRun, OpenAction, Started, Store as _,
    sqlite::{SqliteOptions, SqliteStore},
};
use tokio::time::Instant;

type Failed = Box<dyn std::error::Error + Send + Sync>;

const RUNS: u64 = 64;

/// Entries sealed beforehand.
const READY: u64 = 384_000;

fn main() -> Result<(), Failed> {
    let mut args = std::env::args().skip(1);
    let seconds: f64 = args.next().map_or(Ok(5.0), |text| text.parse())?;
    let base = args.next().map_or_else(|| PathBuf::from("target"), PathBuf::from);
    // One thread for the appenders: the writer has the other core.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let dir = base.join(format!("raw-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    println!("{}", device(&dir, seconds.min(2.0))?);
    for what in [What::Steps(1), What::Steps(10), What::Governed] {
        for ready in [true, false] {
            let data = dir.join("store");
            let line = runtime.block_on(appends(&data, what, ready, seconds))?;
            println!("{line}");
            std::fs::remove_dir_all(&data)?;
        }
    }
    println!("{}", device(&dir, seconds.min(2.0))?);
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// Writes and fdatasyncs over a file of its full length, 64 KiB at a time.
fn device(dir: &Path, seconds: f64) -> Result<serde_json::Value, Failed> {
    let block = vec![7; 64 * 1024];
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(dir.join("device"))?;
    for _ in 0..64 {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    let mut times = Vec::new();
    let began = Instant::now();
    while began.elapsed().as_secs_f64() < seconds {
        let one = Instant::now();
        file.seek(SeekFrom::Start((times.len() as u64 % 64) * block.len() as u64))?;
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(one.elapsed());
    }
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    times.sort_unstable();
    let micros = |share: usize| times[times.len() * share / 100].as_micros();
    Ok(serde_json::json!({
        "what": "device: 64 KiB and fdatasync",
        "per_second": rate.round(),
        "p50_us": micros(50),
        "p99_us": micros(99),
    }))
}

/// What an append holds.
#[derive(Clone, Copy)]
enum What {
    /// So many completed steps.
    Steps(usize),
    /// The beginning of an action, judged by a generation, and its end in the next append.
    Governed,
}

impl What {
    fn entries(self) -> usize {
        if let What::Steps(entries) = self { entries } else { 1 }
    }
}

async fn appends(dir: &Path, what: What, ready: bool, seconds: f64) -> Result<serde_json::Value, Failed> {
    let store = Arc::new(SqliteStore::open(dir, SqliteOptions::default())?);
    let owner = WorkerId::from_bytes([1; 16]);
    store.join(owner, Span::from_millis(1_000_000), now()).await?;
    let bundle: Arc<[u8]> = (*b"{}").into();
    let digest = Digest::of(&[&bundle]);
    store.put_bundle(digest, bundle, now()).await?;
    let mut heads = Vec::new();
    for number in 0..RUNS {
        heads.push(start(&store, number, owner, digest).await?);
    }
    let pens = (0..RUNS).zip(heads).map(|(number, head)| Pen { run: run(number), owner, head, what });
    let entries = what.entries();
    // As many as fit into memory, or as many as there is time for.
    let plan: Vec<(Pen, Vec<Append>)> = pens
        .map(|mut pen| {
            let sealed =
                if ready { (0..READY / entries as u64 / RUNS).map(|_| pen.append()).collect() } else { Vec::new() };
            (pen, sealed)
        })
        .collect();
    let before = store.commits();
    let began = Instant::now();
    let until = if ready { began } else { began + Duration::from_secs_f64(seconds) };
    let hands: Vec<_> =
        plan.into_iter().map(|(pen, sealed)| tokio::spawn(hand(store.clone(), pen, sealed, until))).collect();
    let mut count = 0;
    let mut waits = Vec::new();
    for hand in hands {
        let (done, mut waited) = hand.await??;
        count += done;
        waits.append(&mut waited);
    }
    let spent = began.elapsed().as_secs_f64();
    let commits = store.commits() - before;
    waits.sort_unstable();
    let micros = |share: usize| waits[(waits.len() * share / 100).min(waits.len() - 1)].as_micros();
    let checked = Instant::now();
    let findings = store.check().await?.len();
    let written = count * entries as u64;
    let what = match what {
        What::Steps(entries) => format!("{entries} entries an append, {RUNS} runs"),
        What::Governed => format!("governed actions of two appends each, {RUNS} runs"),
    };
    Ok(serde_json::json!({
        "what": what,
        "sealed": if ready { "before" } else { "while" },
        "appends_per_second": (count as f64 / spent).round(),
        "entries_per_second": (written as f64 / spent).round(),
        "commits_per_second": (commits as f64 / spent).round(),
        "entries_per_commit": (written as f64 / commits as f64).round(),
        "append_p50_us": micros(50),
        "append_p99_us": micros(99),
        "findings": findings,
        "check_entries_per_second": (written as f64 / checked.elapsed().as_secs_f64()).round(),
    }))
}

/// The hand of a run's owner.
struct Pen {
    run: RunId,
    owner: WorkerId,
    head: Head,
    what: What,
}

impl Pen {
    fn append(&mut self) -> Append {
        let expect = Expect { epoch: 1, owner: self.owner, head: self.head.seq };
        let (events, guards) = match self.what {
            What::Steps(entries) => {
                ((0..entries as u64).map(|place| scored(self.head.seq + place)).collect(), Vec::new())
            }
            What::Governed if self.head.seq % 2 == 1 => self.begun(),
            What::Governed => self.ended(),
        };
        let seal = |event| {
            let entry = Entry::seal(self.run, self.head, 1, now(), [5; 16], event);
            self.head = entry.head();
            entry
        };
        Append {
            run: self.run,
            expect,
            entries: events.iter().map(seal).collect(),
            blobs: Vec::new(),
            guards,
            progress: true,
            doing: None,
            inbox_read: None,
            charged: Some(0),
            now: now(),
        }
    }
}

impl Pen {
    fn begun(&self) -> (Vec<Event>, Vec<Guard>) {
        let step = StepPath::new("enrich/save");
        let key = IdempotencyKey::derive(self.run, &step, 0);
        let open = OpenAction {
            step: step.as_str().into(),
            action: "crm.save".into(),
            effect: "idempotent".into(),
            key: key.as_str().into(),
            attempt: 1,
            since: now(),
        };
        let proposal = Proposal {
            tool: "crm".into(),
            operation: "save".into(),
            effect: Effect::Idempotent,
            with: Held::Value(Value::map([("score", Value::Int(self.head.seq as i64))])),
        };
        let verdict = Verdict::Allow { rule: "built-in".into(), policy: Digest::ZERO, by: Vec::new() };
        let event = Event::ActionStarted { step, attempt: 1, proposal, verdict, key, grounds: None };
        (vec![event], vec![Guard::GovernanceIs(0), Guard::ActionOpen(open)])
    }

    fn ended(&self) -> (Vec<Event>, Vec<Guard>) {
        let step = StepPath::new("enrich/save");
        let guard = Guard::ActionClosed { step: step.as_str().into() };
        let result = StepResult::Done(Held::Value(Value::Bool(true)));
        (
            vec![Event::ActionFinished { step, attempt: 1, result, raw: None, spent: None, proof: None, undo: None }],
            vec![guard],
        )
    }
}

fn scored(score: u64) -> Event {
    Event::StepDone {
        step: StepPath::new("enrich/score"),
        output: Held::Value(Value::map([("score", Value::Int(score as i64))])),
    }
}

/// One run that appends as fast as it is answered; gives how often, and how long each answer took.
async fn hand(
    store: Arc<SqliteStore>,
    mut pen: Pen,
    sealed: Vec<Append>,
    until: Instant,
) -> Result<(u64, Vec<Duration>), Failed> {
    let mut waits = Vec::new();
    let mut sealed = sealed.into_iter();
    loop {
        let append = match sealed.next() {
            Some(append) => append,
            None if Instant::now() < until => pen.append(),
            None => break,
        };
        let asked = Instant::now();
        match store.append(append).await? {
            Appended::Done { .. } => waits.push(asked.elapsed()),
            other => return Err(format!("an append came to {other:?}").into()),
        }
    }
    Ok((waits.len() as u64, waits))
}

async fn start(store: &SqliteStore, number: u64, owner: WorkerId, bundle: Digest) -> Result<Head, Failed> {
    let event = Event::RunStarted {
        bundle,
        workflow: "lead".into(),
        stages: vec!["main".into()],
        input: Held::Value(Value::Null),
        about: Value::Null,
        project: "".into(),
        by: None,
        acts_for: None,
        parent: None,
        fork: None,
    };
    let first = Entry::seal(run(number), Head::START, 1, now(), [5; 16], &event);
    let head = first.head();
    let new = NewRun {
        run: run(number),
        tenant: "acme".into(),
        workflow: "lead".into(),
        bundle,
        start_key: Some(format!("key-{number}").into()),
        input: Digest::ZERO,
        about: BTreeMap::from([("company".into(), "acme".to_owned())]),
        first,
        blobs: Vec::new(),
        owner: Some(owner),
        parent: None,
        inherited: None,
        key: [5; 32],
        now: now(),
    };
    match store.start(new).await? {
        Started::Created => Ok(head),
        other => Err(format!("a start came to {other:?}").into()),
    }
}

fn run(number: u64) -> RunId {
    let mut bytes = [3; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    RunId::from_bytes(bytes)
}

/// The store takes time as it comes, so that one moment will do.
fn now() -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000)
}
