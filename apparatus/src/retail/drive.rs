//! One sequence as a run: undisturbed, past a manager, or through a death after every step.

use std::sync::Arc;

use gateway::{Gateway, tool::native::Native};
use kernel::{
    governance::{approval::Decision, policy::Policies},
    ids::RunId,
    journal::{End, Event},
    next::Starter,
    values::Value,
    workflow::project::{Project, Sources},
};
use runtime::{
    Ended, RunError, Runtime, Start,
    govern::{Asker, Decide},
};
use store::{Store, memory::MemoryStore};
use tokio::task::JoinHandle;

use super::{
    desk::{Book, Desk},
    project::{Call, FREE_CENTS, Task, project},
    shop::{CHANGES, REFUNDS, Shop},
};
use crate::victim::{Trouble, whole};

/// Who starts every run, and may not agree to its refunds.
const REQUESTER: &str = "rita";
/// Who may.
const MANAGER: &str = "mona";

/// What is done to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing.
    Undisturbed,
    /// Large refunds are put before a manager.
    Asked,
    /// The process dies after each tool has acted and before that is recorded, and again when it is recorded.
    Killed,
}

/// What came of one sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Outputs that were compared.
    pub compared: u64,
    /// Those of them that are errors.
    pub errors: u64,
    /// Changes of the shop.
    pub effects: u64,
    /// Calls that reached the shop, repeated ones among them.
    pub calls: u64,
    /// How often the run stood before a manager.
    pub asked: u64,
    /// How often it should have.
    pub over: u64,
    /// How often the requester was refused as the one who decides.
    pub refused: u64,
    /// Processes that died.
    pub deaths: u64,
    /// What was otherwise than recorded.
    pub wrong: Vec<String>,
}

/// One process: a runtime and its worker.
struct Life {
    runtime: Runtime,
    worker: JoinHandle<Result<(), RunError>>,
}

impl Life {
    fn begin(store: &Arc<dyn Store>, desk: &Arc<Desk>, mutant: Option<&str>) -> Life {
        let gateway = Gateway::new().with_tool("retail", Native::new(desk.counter()));
        let builder = Runtime::builder(store.clone()).gateway(gateway);
        let runtime = mutant.into_iter().fold(builder, runtime::Builder::mutant).build();
        let worker = tokio::spawn(runtime.worker().run(std::future::pending::<()>()));
        Life { runtime, worker }
    }

    /// Nothing is left in order. Gives why the worker had ended before, if it had.
    async fn die(self) -> Result<(), Trouble> {
        self.worker.abort();
        match self.worker.await {
            Ok(ended) => Ok(ended?),
            Err(_) => Ok(()),
        }
    }
}

/// Plays one sequence.
///
/// # Errors
/// The project cannot be made, or the store fails. What the run does wrong is no error: it stands in [`Played::wrong`].
pub async fn play(task: &Task, way: Way, mutant: Option<&str>) -> Result<Played, Trouble> {
    let (sources, project) = project(task, way == Way::Asked)?;
    let desk = Desk::new(way == Way::Killed);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut played = Played::default();
    let mut life = Life::begin(&store, &desk, mutant);
    let run = start(&life.runtime, &sources, &project).await?;
    let mut before = 0;
    let ended = loop {
        match live(&life, run, before, &desk, way, &mut played).await? {
            Some(ended) => break ended,
            None => {
                played.deaths += 1;
                life.die().await?;
                // Before the next process begins: what it appends counts as its own.
                before = store.run(run).await?.ok_or("the run is gone")?.head.seq;
                life = Life::begin(&store, &desk, mutant);
            }
        }
    };
    life.die().await?;
    for finding in store.check().await? {
        played.wrong.push(format!("the store: {finding:?}"));
    }
    compare(task, &ended, &desk.book(), way, &mut played);
    for wrong in &mut played.wrong {
        *wrong = format!("task {} {way:?}: {wrong}", task.task_id);
    }
    Ok(played)
}

async fn start(runtime: &Runtime, sources: &Sources, project: &Project) -> Result<RunId, Trouble> {
    runtime.deploy(&project.bundle).await?;
    let asker = Asker { by: "operator".into(), auth: "local".into() };
    let policies: Option<&Policies> = project.policies.as_deref();
    let people = sources.get("people.yaml").map(|text| &**text);
    runtime.enact(&project.file.name, policies, people, &asker).await?;
    let start = Start {
        bundle: project.bundle.digest,
        workflow: "task".into(),
        input: Value::Null,
        key: Some("task".into()),
        tenant: None,
        starter: Starter { project: project.file.name.clone(), by: Some(REQUESTER.into()) },
    };
    Ok(runtime.start(start).await?.run)
}

/// One life, which found entries up to `before`; gives the end of the run, or nothing where the process is to die.
async fn live(
    life: &Life,
    run: RunId,
    before: u64,
    desk: &Desk,
    way: Way,
    played: &mut Played,
) -> Result<Option<Ended>, Trouble> {
    let mut entries = life.runtime.entries(run);
    loop {
        let next = tokio::select! {
            biased;
            () = desk.hung() => return Ok(None),
            next = entries.next() => next?,
        };
        match next {
            None => return Ok(Some(life.runtime.finished(run).await?)),
            Some((entry, Event::ActionFinished { .. })) if way == Way::Killed && entry.seq > before => return Ok(None),
            Some((_, Event::ApprovalRequested { approval, .. })) => {
                let (runtime, sent) = (&life.runtime, refunds_over(&desk.book()));
                if sent != played.asked {
                    played.wrong.push(format!("{sent} large refunds were made before {} were agreed to", played.asked));
                }
                played.asked += 1;
                match decide(runtime, &approval, REQUESTER).await {
                    Err(RunError::NotTaken { .. }) => played.refused += 1,
                    Err(why) => return Err(why.into()),
                    Ok(()) => played.wrong.push("who asked for a refund could agree to it".to_owned()),
                }
                if let Err(why) = decide(runtime, &approval, MANAGER).await {
                    played.wrong.push(format!("the manager could not agree: {}", whole(&why)));
                    life.runtime.cancel(run, "harness").await?;
                }
            }
            Some(_) => {}
        }
    }
}

async fn decide(runtime: &Runtime, approval: &Arc<str>, by: &str) -> Result<(), RunError> {
    let decide = Decide { approval: approval.clone(), decision: Decision::Approve, shown: None, reason: None };
    runtime.decide(decide, &Asker { by: by.into(), auth: "local".into() }).await.map(|_| ())
}

fn refunds_over(book: &Book) -> u64 {
    let over = |line: &&String| {
        let (operation, with) = line.split_once(' ').unwrap_or_default();
        let with: serde_json::Value = serde_json::from_str(with).unwrap_or_default();
        REFUNDS.contains(&operation) && with["refund_cents"].as_i64() > Some(FREE_CENTS)
    };
    book.done.iter().filter(over).count() as u64
}

/// Compares the run with the recording, and with a shop that no runtime came near to.
fn compare(task: &Task, ended: &Ended, book: &Book, way: Way, played: &mut Played) {
    let mut wrong = Vec::new();
    if ended.end != End::Completed {
        wrong.push(format!("the run ended as {:?}: {:?}", ended.end, ended.failure));
    }
    let none = Vec::new();
    let outputs: Vec<&Value> = match &ended.result {
        Some(Value::List(list)) => list.iter().collect(),
        _ => none,
    };
    let (mut shop, mut changes) = (Shop::default(), Vec::new());
    for (number, Call { name, arguments, output }) in task.calls.iter().enumerate() {
        if REFUNDS.contains(&name.as_str()) && shop.refund_cents(arguments).unwrap_or_default() > FREE_CENTS {
            played.over += 1;
        }
        let said = shop.call(name, arguments);
        if CHANGES.contains(&name.as_str()) {
            changes.push(name.as_str());
        }
        let got = outputs.get(number).and_then(|output| output.as_str());
        if got != Some(said.as_str()) {
            wrong.push(format!("call {number}, {name}, gave {got:?} to the run and `{said}` to the reference"));
        }
        let Some(recorded) = output else { continue };
        played.compared += 1;
        played.errors += u64::from(recorded.starts_with("Error"));
        if got != Some(recorded) {
            wrong.push(format!("call {number}, {name}, gave {got:?}, recorded is `{recorded}`"));
        }
    }
    let done: Vec<&str> = book.done.iter().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    if done != changes {
        wrong.push(format!("the shop was changed by {done:?}, not by {changes:?}"));
    }
    let digest = book.shop.digest();
    if digest != task.final_state_sha256 {
        wrong.push(format!("the shop's digest is {digest}, recorded is {}", task.final_state_sha256));
    }
    let asked = if way == Way::Asked { played.over } else { 0 };
    let deaths = if way == Way::Killed { book.asked } else { 0 };
    if played.deaths != deaths {
        wrong.push(format!("{} processes died, not {deaths}: one for each call, answered or not", played.deaths));
    }
    if (played.asked, played.refused) != (asked, asked) {
        wrong.push(format!(
            "a manager was asked {} times and the requester refused {} times, not {asked}",
            played.asked, played.refused
        ));
    }
    played.effects = done.len() as u64;
    played.calls = book.asked;
    played.wrong.extend(wrong);
}
