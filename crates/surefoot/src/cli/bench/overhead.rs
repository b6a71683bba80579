//! What Surefoot itself takes around one model call: the cases of a project, played on one thread with a clock beside.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use gateway::{model::remote::RemoteModel, secret::Secret, tool::http::HttpClient};
use kernel::{
    context::ModelRequest,
    governance::Permit,
    ids::{Digest, RunId, StepPath, WorkerId},
    journal::{Blob, Entry, Event},
    settle::Answer,
    values::{Span, Value},
    workflow::project::{Provider, Sources},
};
use serde_json::{Map, json};
use store::{Append, Appended, Expect, NewRun, Store, sqlite::SqliteStore};
use tokio::time::Instant;

use super::{Ground, memory, quantile, rounded};
use crate::{
    case::{self, Case, Setting},
    cli::{
        Scene,
        test::{self, Read},
    },
    error::CliError,
    exit::Exit,
    trial::{Did, Given, Judge, Outside, Spent, Trial, Watch, people::People},
};

/// What the design asks for: the 99th of a hundred, in milliseconds of processor time.
const AIM_MS: f64 = 1.0;
/// So many model calls are measured, unless `--runs` says how often each case is played.
const CALLS: usize = 2_000;
/// So many model calls are committed to a database.
const COMMITTED: usize = 200;

/// Which project.
#[derive(Clone, Debug, Args)]
pub(super) struct Overhead {
    /// A project with cases that ask models [default: one of its own, of twelve model calls with an act each]
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// One model call and one of the acts that follow it.
#[derive(Clone, Copy, Debug, Default)]
struct Call {
    /// What is shown is put together, and the bytes of the request are made.
    context: Spent,
    /// The bytes of the reply are read and judged.
    reply: Spent,
    /// The act that follows is judged, and its leave is given. Nothing, where no act follows.
    policy: Spent,
    /// The entries of both are sealed and applied, and what the tool answered is judged.
    evidence: Spent,
    /// Pure steps between: not a part of the sum.
    steps: Spent,
    /// How many entries the journal had.
    entries: usize,
}

pub(super) async fn run(scene: &Scene, ground: &Ground, overhead: &Overhead) -> Result<(), CliError> {
    let wire = wire()?;
    let (name, setting, cases) = opened(scene, overhead.folder.as_deref())?;
    let (mut calls, mut journals, mut bytes, mut acts) = (Vec::new(), Vec::new(), Vec::new(), 0);
    // The first time, code and caches warm up.
    let mut times = 0;
    loop {
        if times > 0 && ground.runs.map_or(calls.len() >= CALLS, |runs| times > runs.max(1)) {
            break;
        }
        if times == 1 {
            (calls, acts) = (Vec::new(), 0);
            bytes.clear();
        }
        for case in &cases {
            let played = play(case, &setting, &wire, &mut bytes)?;
            acts += measured(&played, &mut calls);
            if times == 0 {
                journals.push(played);
            }
        }
        if calls.is_empty() {
            let error = CliError::not_found(format!("no case of {name} asks a model"));
            return Err(error.hint("name a project whose cases do, or none at all"));
        }
        times += 1;
    }
    let mut line = ground.line("overhead");
    line.remove("at_once");
    line.remove("commit_every_step");
    line.insert("project".into(), name.into());
    line.insert("processor_time".into(), cfg!(target_os = "linux").into());
    line.insert("cases".into(), cases.len().into());
    line.insert("calls".into(), calls.len().into());
    line.insert("acts".into(), acts.into());
    line.insert("entries_most".into(), calls.iter().map(|call| call.entries).max().unwrap_or(0).into());
    bytes.sort_unstable();
    line.insert("request_bytes_p50".into(), bytes.get(bytes.len() / 2).copied().unwrap_or(0).into());
    line.insert("request_bytes_max".into(), bytes.last().copied().unwrap_or(0).into());
    figures(&calls, &mut line);
    commits(ground, &journals, &mut line).await?;
    line.insert("memory_mib".into(), memory().0);
    scene.out.object(&line.into());
    Ok(())
}

fn figures(calls: &[Call], line: &mut Map<String, serde_json::Value>) {
    let part = |of: fn(&Call) -> Duration| spread(calls.iter().map(of).collect());
    line.insert("context".into(), part(|call| call.context.cpu));
    line.insert("reply".into(), part(|call| call.reply.cpu));
    line.insert("policy".into(), part(|call| call.policy.cpu));
    line.insert("evidence".into(), part(|call| call.evidence.cpu));
    line.insert("all".into(), part(|call| call.all(|spent| spent.cpu)));
    line.insert("all_by_the_clock".into(), part(|call| call.all(|spent| spent.wall)));
    line.insert("steps_between".into(), part(|call| call.steps.cpu));
    let sum = |of: fn(&Call) -> Duration| {
        let sum: Duration = calls.iter().map(of).sum();
        rounded(sum.as_secs_f64() * 1000.0)
    };
    line.insert(
        "sum_ms".into(),
        json!({
            "context": sum(|call| call.context.cpu), "reply": sum(|call| call.reply.cpu),
            "policy": sum(|call| call.policy.cpu), "evidence": sum(|call| call.evidence.cpu),
            "all": sum(|call| call.all(|spent| spent.cpu)),
        }),
    );
    line.insert("aim_p99_ms".into(), AIM_MS.into());
    let p99 = quantile(&mut calls.iter().map(|call| call.all(|spent| spent.cpu)).collect::<Vec<_>>(), 0.99);
    line.insert("p99_of_aim".into(), rounded(p99 / AIM_MS).into());
}

/// Milliseconds: half of all, 95 and 99 of a hundred, and the longest.
fn spread(mut times: Vec<Duration>) -> serde_json::Value {
    let mut at = |part| quantile(&mut times, part);
    json!({ "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99), "max_ms": at(1.0) })
}

impl Call {
    fn all(&self, clock: fn(&Spent) -> Duration) -> Duration {
        [self.context, self.reply, self.policy, self.evidence].iter().map(clock).sum()
    }
}

/// Now, for this thread.
fn clock() -> Spent {
    Spent { cpu: cpu(), wall: WALL.with(|begun| begun.elapsed()) }
}

thread_local! {
    static WALL: Instant = Instant::now();
}

#[cfg(target_os = "linux")]
fn cpu() -> Duration {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID);
    now.map_or(Duration::ZERO, Duration::from)
}

/// Where no clock says what a thread had of the processor, it had all of the time.
#[cfg(not(target_os = "linux"))]
fn cpu() -> Duration {
    WALL.with(|begun| begun.elapsed())
}

fn since(begun: Spent) -> Spent {
    let now = clock();
    Spent { cpu: now.cpu.saturating_sub(begun.cpu), wall: now.wall.saturating_sub(begun.wall) }
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, other: Spent) {
        self.cpu += other.cpu;
        self.wall += other.wall;
    }
}

impl Spent {
    fn shared(self, by: usize) -> Spent {
        let by = u32::try_from(by.max(1)).unwrap_or(u32::MAX);
        Spent { cpu: self.cpu / by, wall: self.wall / by }
    }
}

/// What speaks for the models of all projects: requests are written and replies are read as of a server, and nothing is sent.
fn wire() -> Result<RemoteModel, CliError> {
    const FILES: [(&str, &str); 2] = [
        (
            "surefoot.yaml",
            "project: wire\nmodels:\n  wire: { provider: openai_chat, base_url: \"http://127.0.0.1:1/v1\", model: wire, max_tokens: 4096, price: free }\n",
        ),
        (
            "workflows/wire.yaml",
            "workflow: wire\nresult: { value: =a }\nstages:\n  - stage: all\n    steps:\n      - { step: a, set: { ok: true } }\n",
        ),
    ];
    let sources: Sources = FILES.into_iter().collect();
    let checked = kernel::workflow::project::check(&sources);
    let model = checked.project.as_ref().and_then(|project| project.file.models.get("wire"));
    let Some(Provider::Remote(spec)) = model.map(|model| &model.provider) else {
        let why = checked.complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        return Err(CliError::internal(format!("the model that is measured cannot be read: {why}")));
    };
    let none: BTreeMap<String, Secret> = BTreeMap::new();
    let failed = |why| CliError::internal("the model that is measured cannot be made").caused_by(why);
    let client = HttpClient::new().map_err(failed)?;
    RemoteModel::new((**spec).clone(), std::sync::Arc::new(none), client).map_err(failed)
}

/// The answers of a case, over the wire.
struct Wired<'c> {
    inner: case::Playing<'c>,
    wire: &'c RemoteModel,
    bytes: &'c mut Vec<usize>,
    last: Option<[Spent; 2]>,
}

impl Outside for Wired<'_> {
    fn ask(&mut self, request: &ModelRequest) -> Result<Given, String> {
        let begun = clock();
        let (written, _) = self.wire.written(request);
        let out = since(begun);
        self.bytes.push(written.len());
        let given = self.inner.ask(request)?;
        let body = on_the_wire(&given.answer);
        let begun = clock();
        let reply = body.map(|body| self.wire.heard(body.as_bytes(), request));
        let back = since(begun);
        // A reply that does not come back as it was said would measure something else.
        if let (Some(reply), Answer::Model { answer: Ok(said), .. }) = (&reply, &given.answer)
            && request.offers.is_empty()
            && reply.answer.as_ref() != Ok(said)
        {
            return Err(format!("the reply to `{}` is not read as it was said: {:?}", request.step, reply.answer));
        }
        self.last = Some([out, back]);
        Ok(given)
    }

    fn call(&mut self, permit: &Permit, judge: &mut Judge<'_>) -> Result<Given, String> {
        self.inner.call(permit, judge)
    }

    fn native(&mut self, step: &StepPath) -> Option<Given> {
        self.inner.native(step)
    }

    fn took(&mut self) -> Option<[Spent; 2]> {
        self.last.take()
    }
}

/// The bytes in which a server would say it; `None`: nothing is said.
fn on_the_wire(answer: &Answer) -> Option<String> {
    let Answer::Model { answer: Ok(value), usage, proposed, .. } = answer else { return None };
    let text = match value {
        Value::Text(text) => text.to_string(),
        other => other.to_json(),
    };
    let calls: Vec<_> = proposed
        .iter()
        .map(|one| {
            let function = json!({ "name": one.name, "arguments": one.arguments.to_json() });
            json!({ "id": one.id, "type": "function", "function": function })
        })
        .collect();
    let stop = if calls.is_empty() { "stop" } else { "tool_calls" };
    let message = json!({ "role": "assistant", "content": text, "tool_calls": calls });
    let body = json!({
        "id": "overhead", "model": "wire", "choices": [{ "index": 0, "message": message, "finish_reason": stop }],
        "usage": { "prompt_tokens": usage.input, "completion_tokens": usage.output },
    });
    Some(body.to_string())
}

fn play<'s>(
    case: &'s Case,
    setting: &'s Setting,
    wire: &'s RemoteModel,
    bytes: &mut Vec<usize>,
) -> Result<Trial<'s>, CliError> {
    let wrong = |why: String| {
        let error = CliError::new(Exit::Project, format!("the case {} cannot be played: {why}", case.file));
        error.hint("`surefoot test` says more")
    };
    let mut trial = setting.begin(&case.program, &case.beginning).map_err(|why| wrong(why.join("; ")))?;
    trial.watch = Some(Watch { clock, laps: Vec::new() });
    let mut people = People::new(case.says.clone(), !case.stops_when_asked());
    let inner = case.script.playing(setting, &case.file);
    let mut outside = Wired { inner, wire, bytes, last: None };
    match trial.drive(&mut outside, &mut people) {
        crate::trial::Rest::Unanswered(why) | crate::trial::Rest::Silent(why) => Err(wrong(why)),
        _ => Ok(trial),
    }
}

/// The model calls of a run and of those that it handed work to; gives how many acts followed them.
fn measured(trial: &Trial<'_>, calls: &mut Vec<Call>) -> usize {
    let mut acts = 0;
    let mut open = Open::default();
    for (did, spent) in trial.watch.iter().flat_map(|watch| &watch.laps) {
        if matches!(did, Did::Decided { asks: 1.., .. }) && open.judged {
            acts += open.acts.len();
            open.close(calls);
        }
        open.add(*did, *spent, &trial.events);
    }
    acts += if open.asks > 0 { open.acts.len() } else { 0 };
    open.close(calls);
    acts + trial.children.iter().map(|child| measured(child, calls)).sum::<usize>()
}

/// What lies between the decision to ask and the next one. Calls that are asked at once share it, and so do acts.
#[derive(Default)]
struct Open {
    asks: usize,
    acts: BTreeSet<StepPath>,
    judged: bool,
    context: Spent,
    reply: Spent,
    policy: Spent,
    of_call: Spent,
    of_act: Spent,
    steps: Spent,
    entries: usize,
}

impl Open {
    fn add(&mut self, did: Did, spent: Spent, events: &[Event]) {
        let part = match did {
            Did::Decided { asks: 1.., .. } | Did::Wired { back: false } => &mut self.context,
            Did::Decided { acts: 1.., .. } => &mut self.policy,
            Did::Decided { .. } => &mut self.steps,
            Did::Wired { back: true } => &mut self.reply,
            Did::Judged { model: true } => {
                self.judged = true;
                &mut self.reply
            }
            Did::Judged { model: false } => &mut self.of_act,
            Did::Wrote { event } => {
                self.entries = event + 1;
                match &events[event] {
                    Event::ModelAsked { .. } => {
                        self.asks += 1;
                        &mut self.of_call
                    }
                    Event::ModelAnswered { .. } => &mut self.of_call,
                    Event::ActionStarted { step, .. }
                    | Event::ActionJudged { step, .. }
                    | Event::ActionFinished { step, .. }
                    | Event::ApprovalRequested { step, proposal: Some(_), .. } => {
                        self.acts.insert(step.clone());
                        &mut self.of_act
                    }
                    _ => &mut self.steps,
                }
            }
        };
        *part += spent;
    }

    fn close(&mut self, calls: &mut Vec<Call>) {
        let open = std::mem::take(self);
        let acts = open.acts.len();
        let mut evidence = open.of_call.shared(open.asks);
        evidence += open.of_act.shared(acts);
        let call = Call {
            context: open.context.shared(open.asks),
            reply: open.reply.shared(open.asks),
            policy: open.policy.shared(acts),
            evidence,
            steps: open.steps.shared(open.asks),
            entries: open.entries,
        };
        calls.extend(std::iter::repeat_n(call, open.asks));
    }
}

/// Writes the same journals into a database, with a commit wherever something would leave or has come back, and counts the waits.
async fn commits(
    ground: &Ground,
    journals: &[Trial<'_>],
    line: &mut Map<String, serde_json::Value>,
) -> Result<(), CliError> {
    let store = ground.open("overhead")?;
    let (mut waits, mut number) = (Vec::new(), 0_u16);
    let owner = WorkerId::from_bytes([1; 16]);
    let begun = journals.first().map(|trial| trial.entries[0].at).unwrap_or_default();
    store.join(owner, Span::from_micros(86_400_000_000), begun).await?;
    let most = ground.runs.unwrap_or(usize::MAX);
    let mut rounds = 0;
    while waits.len() < 2 * COMMITTED && rounds < most {
        for trial in journals {
            number += 1;
            copy(&store, (trial, number), owner, &mut waits).await?;
        }
        rounds += 1;
    }
    line.insert("commits".into(), waits.len().into());
    line.insert("commit_wait".into(), spread(waits));
    Ok(())
}

async fn copy(
    store: &SqliteStore,
    (trial, number): (&Trial<'_>, u16),
    owner: WorkerId,
    waits: &mut Vec<Duration>,
) -> Result<(), CliError> {
    let mut id = [7; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let run = RunId::from_bytes(id);
    let mut head = kernel::journal::Head::START;
    let mut sealed = Vec::new();
    for (entry, event) in trial.entries.iter().zip(&trial.events) {
        let again = Entry::seal(run, head, 1, entry.at, [9; 16], event);
        head = again.head();
        sealed.push(again);
    }
    let Some(Event::RunStarted { bundle, workflow, .. }) = trial.events.first() else { return Ok(()) };
    let now = trial.now;
    store.put_bundle(*bundle, (*b"{}").into(), now).await?;
    let first = sealed.remove(0);
    let mut expect = Expect { epoch: 1, owner, head: first.seq };
    store
        .start(NewRun {
            run,
            tenant: "main".into(),
            workflow: workflow.clone(),
            bundle: *bundle,
            start_key: None,
            input: Digest::ZERO,
            about: BTreeMap::new(),
            first,
            blobs: Vec::new(),
            owner: Some(owner),
            parent: None,
            inherited: None,
            key: [7; 32],
            now,
        })
        .await?;
    let mut batch = Vec::new();
    for (entry, event) in sealed.into_iter().zip(&trial.events[1..]) {
        let commits = matches!(
            event,
            Event::ModelAsked { .. }
                | Event::ModelAnswered { .. }
                | Event::ActionStarted { .. }
                | Event::ActionFinished { .. }
        );
        let of_model = matches!(event, Event::ModelAsked { .. } | Event::ModelAnswered { .. });
        batch.push(entry);
        if !commits {
            continue;
        }
        let to = batch.last().map_or(expect.head, |entry: &Entry| entry.seq);
        let append = Append {
            run,
            expect,
            entries: std::mem::take(&mut batch),
            blobs: Vec::<Blob>::new(),
            guards: Vec::new(),
            progress: false,
            doing: None,
            inbox_read: None,
            charged: Some(0),
            now,
        };
        let begun = Instant::now();
        let done = store.append(append).await?;
        if !matches!(done, Appended::Done { .. }) {
            return Err(CliError::internal(format!("the database did not take the journal: {done:?}")));
        }
        if of_model {
            waits.push(begun.elapsed());
        }
        expect.head = to;
    }
    Ok(())
}

/// The project with its cases; without a folder the one below.
fn opened(scene: &Scene, folder: Option<&Path>) -> Result<(String, Setting, Vec<Case>), CliError> {
    let Some(folder) = folder else { return own() };
    let opened = test::open(scene, &[folder.to_owned()])?;
    let name = opened.setting.project.file.name.to_string();
    let cases = opened.cases.into_iter().filter_map(|read| match read {
        Read::Case(case) => Some(*case),
        Read::Broken(..) => None,
    });
    Ok((name, opened.setting, cases.collect()))
}

/// How many model calls the run of the own project has.
const LETTERS: usize = 12;

/// Twelve letters are read one after the other, each by a model that is shown the rules of the desk, what was noted before and eight
/// kilobytes of letters; each is noted by a governed act.
fn own() -> Result<(String, Setting, Vec<Case>), CliError> {
    let sources: Sources = files().into_iter().collect();
    let checked = kernel::workflow::project::check(&sources);
    let Some(project) = checked.project else {
        let why = checked.complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        return Err(CliError::internal(format!("the project that is measured has errors: {why}")));
    };
    let (file, text) = sources.below("cases/", ".yaml").next().expect("it has one case");
    let said = |complaints: Vec<kernel::complaint::Complaint>| {
        let why: Vec<String> = complaints.iter().map(ToString::to_string).collect();
        CliError::internal(format!("the case that is measured has errors: {}", why.join("; ")))
    };
    let case = case::read(file, text, (&project, &sources, Path::new("."))).map_err(said)?;
    let setting = Setting::new(sources.clone(), project, BTreeMap::new()).map_err(CliError::internal)?;
    Ok(("built in".to_owned(), setting, vec![case]))
}

fn files() -> Vec<(String, String)> {
    const RULE: &str = "A letter is answered on the day on which it came; what it asks for is named in the words of its writer, and nothing is added. ";
    const LETTER: &str =
        "I was charged twice for the delivery of my card, on the third and on the fifth, and nobody has told me why. ";
    const FIELDS: [&str; 8] = ["amount", "card", "date", "delivery", "order", "product", "reason", "return"];
    let mut workflow =
        String::from("workflow: letters\ninput: schemas/letters.yaml\nresult: { value: =save11 }\nstages:\n");
    for at in 0..LETTERS {
        let before = if at > 0 { format!(", before: read{}", at - 1) } else { String::new() };
        let _ = write!(
            workflow,
            "  - stage: letter{at}\n    steps:\n      - step: read{at}\n        reason: prompts/read.md\n        model: reader\n        \
             see: {{ letters: input.letters, history: input.history{before} }}\n        output: schemas/read.yaml\n        check: [ output.score <= 1.0 ]\n      \
             - {{ step: save{at}, act: desk.note, with: {{ count: {at}, text: \"=read{at}.summary\", facts: =read{at}.facts }} }}\n"
        );
    }
    let fields: String =
        FIELDS.iter().map(|name| format!("      {name}: {{ type: string, maxLength: 200 }}\n")).collect();
    let facts =
        format!("type: object\nadditionalProperties: false\nrequired: [ {} ]\nproperties:\n", FIELDS.join(", "));
    let facts = format!("{facts}{}", fields.replace("      ", "  "));
    let said: Vec<String> = FIELDS.iter().map(|name| format!("{name}: what the letter says of the {name}")).collect();
    let answer = format!(
        "[ {{ value: {{ summary: The writer was charged twice, score: 0.9, kinds: [ billing ], facts: {{ {} }} }} }} ]",
        said.join(", ")
    );
    let answers: String = (0..LETTERS).map(|at| format!("  read{at}: {answer}\n")).collect();
    let case = format!(
        "case: twelve letters\ninput: cases/letters.json\nanswers:\n{answers}tools:\n  desk.note: [ {{ value: {{ ok: true }}, times: any }} ]\n\
         expect: {{ status: completed }}\n"
    );
    let letters: Vec<String> = (0..8).map(|_| LETTER.repeat(9)).collect();
    let history: Vec<_> = (0..20)
        .map(|at| json!({ "id": format!("PAY-{}", 20_000 + at), "cents": 1200 + at, "what": "express delivery of a card" }))
        .collect();
    let mut policies = vec![
        ("policies/allow/a.cedar", "@id(\"notes\") permit (principal, action in Action::\"Desk\", resource) when { principal in Workflow::\"letters\" };\n".to_owned()),
        ("policies/never/a.cedar", "@id(\"cap\") forbid (principal, action in Action::\"Desk\", resource) when { context.input.count > 1000000 };\n".to_owned()),
        (
            "policies/ask/a.cedar",
            "@id(\"strange\") @approve_by(\"desk\") forbid (principal, action == Action::\"desk.note\", resource) when { context.labels.contains(\"secret\") };\n"
                .to_owned(),
        ),
    ];
    // As many rules as a careful desk has.
    for at in 0..10 {
        policies[1].1 += &format!(
            "@id(\"cap{at}\") forbid (principal, action == Action::\"desk.note\", resource) when {{ context.input.count > {} }};\n",
            10_000 * (at + 1)
        );
        policies[2].1 += &format!(
            "@id(\"large{at}\") @approve_by(\"desk\") forbid (principal, action == Action::\"desk.note\", resource) when {{ context.input.count > {} }};\n",
            1_000 * (at + 1)
        );
    }
    let mut files: Vec<(String, String)> = [
        ("surefoot.yaml", "project: overhead\nmodels: { reader: { provider: registered } }\n".to_owned()),
        ("people.yaml", "groups: { desk: {} }\npeople: { ann: { name: Ann, groups: [ desk ] } }\n".to_owned()),
        (
            "tools/desk.yaml",
            "tool: desk\nnative: true\noperations:\n  note: { effect: idempotent, params: schemas/note.yaml, groups: [ Desk ] }\n".to_owned(),
        ),
        (
            "schemas/note.yaml",
            "type: object\nadditionalProperties: false\nrequired: [ count, text, facts ]\nproperties: { count: { type: integer }, text: { type: string }, facts: { type: object } }\n".to_owned(),
        ),
        (
            "schemas/letters.yaml",
            "type: object\nadditionalProperties: false\nrequired: [ letters, history ]\nproperties:\n  letters: { type: array, items: { type: string } }\n  \
             history:\n    type: array\n    items: { type: object, required: [ id, cents, what ], properties: { id: { type: string }, cents: { type: integer }, what: { type: string } } }\n"
                .to_owned(),
        ),
        (
            "schemas/read.yaml",
            format!(
                "type: object\nadditionalProperties: false\nrequired: [ summary, score, kinds, facts ]\nproperties:\n  summary: {{ type: string, maxLength: 400 }}\n  \
                 score: {{ type: number, minimum: 0, maximum: 1 }}\n  kinds: {{ type: array, maxItems: 5, items: {{ enum: [ billing, technical, general ] }} }}\n  \
                 facts:\n    {}",
                facts.replace('\n', "\n    ").trim_end()
            ) + "\n",
        ),
        ("prompts/read.md", format!("{}\n\nSay in one sentence what the letters ask for.\n", RULE.repeat(24))),
        ("workflows/letters.yaml", workflow),
        ("cases/letters.json", json!({ "letters": letters, "history": history }).to_string()),
        ("cases/twelve.yaml", case),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into();
    files.extend(policies.into_iter().map(|(name, text)| (name.to_owned(), text)));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_call_add_up_and_acts_are_counted() {
        let wire = wire().unwrap();
        let (_, setting, cases) = own().unwrap();
        let (mut calls, mut bytes) = (Vec::new(), Vec::new());
        let trial = play(&cases[0], &setting, &wire, &mut bytes).unwrap();
        assert_eq!(measured(&trial, &mut calls), LETTERS);
        assert_eq!((calls.len(), bytes.len()), (LETTERS, LETTERS));
        assert!(bytes.iter().all(|bytes| (8_000..60_000).contains(bytes)), "{bytes:?}");
        // Nothing that was measured is lost: what is in no part lies before the first call or between.
        let laps: Duration = trial.watch.iter().flat_map(|watch| &watch.laps).map(|(_, spent)| spent.cpu).sum();
        let parts: Duration = calls.iter().map(|call| call.all(|spent| spent.cpu) + call.steps.cpu).sum();
        // Shared between calls, each loses less than a nanosecond for each of six parts.
        assert!(parts <= laps && laps - parts <= Duration::from_nanos(6 * LETTERS as u64), "{parts:?} of {laps:?}");
        assert!(calls.iter().all(|call| {
            [call.context, call.reply, call.policy, call.evidence].iter().all(|part| part.wall > Duration::ZERO)
        }));
    }

    #[test]
    fn calls_that_are_asked_at_once_share_what_they_cost() {
        let spent = |ms| Spent { cpu: Duration::from_millis(ms), wall: Duration::from_millis(ms) };
        let mut open = Open { asks: 2, context: spent(8), reply: spent(4), of_call: spent(2), ..Open::default() };
        open.policy = spent(9);
        open.of_act = spent(3);
        open.acts = ["a", "b", "c"].into_iter().map(StepPath::new).collect();
        let mut calls = Vec::new();
        open.close(&mut calls);
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].all(|spent| spent.cpu), Duration::from_millis(4 + 2 + 1 + 3 + 1));
    }
}
