//! Drives the kernel without anything outside: text in, printed journal out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use kernel::{
    cache::KeptAnswer,
    context::{ModelRequest, Proposed, Said, Turn},
    evidence::{Audit, Ledger},
    fork::{self, Forker},
    governance::{
        Effect,
        approval::{By, Decision, Vote, admit},
        budget::Exceeded,
        charter::{Change, Charter},
    },
    ids::{Digest, RunId, StepPath},
    journal::{Blob, Effects, Entry, Event, Head, StepResult, Usage},
    next::{self, Counted, Facts, Next, Query, Record, Starter},
    pace::Place,
    recovery::{Failure, FailureKind, Phase},
    routes::{self, Cooling},
    run::RunState,
    settle::{Answer, Settled, settle},
    story,
    values::{Timestamp, Value},
    workflow::{
        Program,
        project::{self, Project, Sources},
    },
};

pub const RUN: [u8; 10] = [7; 10];

/// A project written as one text: `--- path` begins a file.
pub fn sources(text: &str) -> Sources {
    let mut files = Vec::new();
    let margin = text.lines().filter(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len());
    let margin = margin.min().unwrap_or(0);
    for line in text.lines() {
        let line = line.get(margin..).unwrap_or("");
        match line.strip_prefix("--- ") {
            Some(path) => files.push((path.to_owned(), String::new())),
            None => {
                if let Some((_, content)) = files.last_mut() {
                    content.push_str(line);
                    content.push('\n');
                }
            }
        }
    }
    if !files.iter().any(|(path, _)| path == "surefoot.yaml") {
        let models = "project: test\nmodels: { small: { provider: registered }, strong: { provider: registered } }\n";
        files.push(("surefoot.yaml".to_owned(), models.to_owned()));
    }
    files.into_iter().collect()
}

/// The one workflow of a project that must be free of errors.
pub fn program(text: &str) -> Arc<Program> {
    project(text).workflows.values().next().expect("a workflow").clone()
}

/// A project that must be free of errors.
pub fn project(text: &str) -> Project {
    let sources = sources(text);
    let checked = project::check(&sources);
    let printed: Vec<String> = checked
        .complaints
        .iter()
        .map(|complaint| complaint.render(sources.get(&complaint.file).map(|text| &**text)))
        .collect();
    checked.project.unwrap_or_else(|| panic!("the project has errors:\n{}", printed.join("\n")))
}

/// The charter after a project's policies and people were made known, in the generation before `generation` and this one.
pub fn enact(charter: &mut Charter, text: &str) {
    let sources = sources(text);
    let policies = project(text).policies;
    let people = sources.get("people.yaml").map(|text| (Digest::of(&[text.as_bytes()]), text.as_bytes().to_vec()));
    let policies = policies.map(|policies| (policies.digest(), policies.to_bytes().to_vec()));
    let name: Arc<str> = "test".into();
    let made = (&"ann".into(), Timestamp::default());
    let change = Change::Policies { project: name.clone(), digest: policies.as_ref().map(|(digest, _)| *digest) };
    let content = policies.as_ref().map(|(_, bytes)| &**bytes);
    charter.apply(charter.generation + 1, &change, made, content).expect("policies");
    let change = Change::People { project: name, digest: people.as_ref().map(|(digest, _)| *digest) };
    let content = people.as_ref().map(|(_, bytes)| &**bytes);
    charter.apply(charter.generation + 1, &change, made, content).expect("people");
}

/// What the outside says: lines of `step[#attempt]: json` (`step@probe#probe` for its probe), `step[#attempt]: !kind phase after 30s` and `> kind [name json]` for messages
/// that come when the run sleeps; `> > kind …` comes only once no time would wake it.
#[derive(Clone, Default)]
pub struct Outside {
    answers: BTreeMap<String, String>,
    messages: Vec<String>,
}

impl Outside {
    pub fn new(text: &str) -> Outside {
        let mut outside = Outside::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.strip_prefix("> ") {
                Some(message) => outside.messages.push(message.to_owned()),
                None => {
                    let (step, answer) = line.split_once(": ").expect("step: answer");
                    outside.answers.insert(step.to_owned(), answer.to_owned());
                }
            }
        }
        outside
    }

    fn answer(&self, step: &StepPath, attempt: u32) -> Result<Value, Failure> {
        let keys = [format!("{step}#{attempt}"), step.to_string(), step.name().to_owned()];
        let Some(text) = keys.iter().find_map(|key| self.answers.get(key)) else {
            return Ok(Value::map([("ok", true.into())]));
        };
        match text.strip_prefix('!') {
            None => Ok(Value::from_json(text.as_bytes()).expect("an answer is JSON")),
            Some(failure) => {
                let (failure, retry_after) = match failure.split_once(" after ") {
                    Some((failure, span)) => (failure, Some(span.parse().expect("a time"))),
                    None => (failure, None),
                };
                let (kind, phase) = failure.split_once(' ').unwrap_or((failure, "answered"));
                let kind = *FailureKind::ALL.iter().find(|one| one.as_str() == kind).expect("a failure kind");
                let phase = match phase {
                    "not_sent" => Phase::NotSent,
                    "maybe_sent" => Phase::MaybeSent,
                    _ => Phase::Answered,
                };
                Err(Failure { kind, phase, detail: "as told".to_owned(), retry_after })
            }
        }
    }
}

/// One run, driven until it ends or nothing can happen.
pub struct Drive {
    pub program: Arc<Program>,
    pub outside: Outside,
    pub state: RunState,
    pub entries: Vec<Entry>,
    pub events: Vec<Event>,
    pub calls: Vec<String>,
    pub epoch: u64,
    pub now: Timestamp,
    blobs: BTreeMap<Digest, Value>,
    /// What the store keeps beside the journal.
    pub kept: BTreeMap<Digest, Arc<[u8]>>,
    messages: usize,
    /// Stop as if the process had died once the journal has so many entries.
    pub die_after: Option<usize>,
    pub charter: Charter,
    pub counters: BTreeMap<Arc<str>, Counted>,
    /// What the store has found no room for.
    pub full: BTreeMap<StepPath, Exceeded>,
    places: BTreeMap<StepPath, Place>,
    /// What the store knows of models that cool down, and what was looked up.
    pub store_cooling: BTreeMap<Arc<str>, Cooling>,
    cooling: BTreeMap<Arc<str>, Option<Cooling>>,
    /// What the store keeps of answers, and what was looked up.
    pub store_answers: BTreeMap<Digest, KeptAnswer>,
    answers: BTreeMap<Digest, Option<KeptAnswer>>,
    /// Buckets that were asked for a place; each says no until its time.
    pub asked_places: Vec<String>,
    /// What it slept for.
    pub slept: Vec<String>,
    /// Before this there is no place in any rate limit.
    pub no_place_before: Timestamp,
    /// Why votes were not taken.
    pub refused: Vec<String>,
    /// What models were asked.
    pub asked: Vec<ModelRequest>,
    /// Whose run it is.
    pub tenant: &'static str,
}

impl Drive {
    /// With the project's policies and people, for who started it.
    pub fn governed(text: &str, by: &str, input: &str, outside: Outside) -> Drive {
        let mut charter = Charter::default();
        enact(&mut charter, text);
        let starter = Starter { project: "test".into(), by: (!by.is_empty()).then(|| by.into()) };
        let mut drive = Drive::started(program(text), input, &starter, outside);
        drive.charter = charter;
        drive
    }

    pub fn new(program: Arc<Program>, input: &str, outside: Outside) -> Drive {
        Drive::started(program, input, &Starter::default(), outside)
    }

    fn started(program: Arc<Program>, input: &str, starter: &Starter, outside: Outside) -> Drive {
        let now = Timestamp::parse("2026-11-20").expect("a date");
        let run = RunId::new(now, RUN);
        let input = Value::from_json(input.as_bytes()).expect("the input is JSON");
        let starting = next::start(&program, run, 1, (&input, starter), now, [0; 16]).expect("the input fits");
        let mut drive = Drive {
            program,
            outside,
            state: RunState::new(run),
            entries: Vec::new(),
            events: Vec::new(),
            calls: Vec::new(),
            epoch: 1,
            now,
            blobs: BTreeMap::new(),
            kept: BTreeMap::new(),
            messages: 0,
            die_after: None,
            charter: Charter::default(),
            counters: BTreeMap::new(),
            full: BTreeMap::new(),
            places: BTreeMap::new(),
            store_cooling: BTreeMap::new(),
            cooling: BTreeMap::new(),
            store_answers: BTreeMap::new(),
            answers: BTreeMap::new(),
            asked_places: Vec::new(),
            slept: Vec::new(),
            no_place_before: Timestamp::default(),
            refused: Vec::new(),
            asked: Vec::new(),
            tenant: "main",
        };
        drive.keep(&starting.blobs);
        let event = starting.first.event().expect("sealed here");
        drive.state.apply(&starting.first, event.clone()).expect("the first entry fits");
        drive.entries.push(starting.first);
        drive.events.push(event);
        drive
    }

    /// Goes on in a new epoch with nothing but the journal.
    pub fn resumed(&self, entries: &[Entry]) -> Drive {
        self.onward(self.state.run, entries)
    }

    /// A run that goes on from entry `at` of this one, as `zoe` asked for it.
    pub fn forked(&self, at: u64, effects: Effects) -> Drive {
        let run = RunId::new(self.now, [8; 10]);
        let forker = Forker { run, effects, retry: false, by: Some("zoe".into()) };
        let made = fork::fork(self.state.run, &self.entries, at, forker, self.now, || [3; 16]).expect("it can be read");
        let entries: Vec<Entry> = std::iter::once(made.first).chain(made.inherited).collect();
        let drive = self.onward(run, &entries);
        assert_eq!(drive.state, made.state, "folding what is stored gives the state that was made");
        drive
    }

    fn onward(&self, run: RunId, entries: &[Entry]) -> Drive {
        let mut state = RunState::new(run);
        state.fold(entries).expect("a journal folds");
        Drive {
            program: self.program.clone(),
            outside: self.outside.clone(),
            state,
            entries: entries.to_vec(),
            events: entries.iter().map(|entry| entry.event().expect("an event")).collect(),
            calls: Vec::new(),
            epoch: self.epoch + 1,
            now: self.now,
            blobs: BTreeMap::new(),
            kept: self.kept.clone(),
            messages: 0,
            die_after: None,
            charter: self.charter.clone(),
            counters: self.counters.clone(),
            full: BTreeMap::new(),
            places: BTreeMap::new(),
            store_cooling: self.store_cooling.clone(),
            cooling: BTreeMap::new(),
            store_answers: self.store_answers.clone(),
            answers: BTreeMap::new(),
            asked_places: Vec::new(),
            slept: Vec::new(),
            no_place_before: Timestamp::default(),
            refused: Vec::new(),
            asked: Vec::new(),
            tenant: self.tenant,
        }
    }

    pub fn facts<'a>(&'a self, in_flight: &'a BTreeSet<StepPath>) -> Facts<'a> {
        Facts {
            now: self.now,
            epoch: self.epoch,
            blobs: &self.blobs,
            in_flight,
            charter: &self.charter,
            counters: &self.counters,
            refused: &self.full,
            places: &self.places,
            cooling: &self.cooling,
            answers: &self.answers,
            tenant: self.tenant,
            key: &[7; 32],
        }
    }

    fn look(&mut self, queries: Vec<Query>) {
        for query in queries {
            match query {
                Query::Blob(blob) => {
                    let bytes = &self.kept[&blob.digest];
                    self.blobs.insert(blob.digest, Value::from_json(bytes).expect("a blob is JSON"));
                }
                Query::Counter(query) => {
                    self.counters.entry(query.counter).or_default();
                }
                Query::Place(query) => {
                    let no = self.no_place_before > self.now;
                    let place = if no { Place::NotBefore(self.no_place_before) } else { Place::Given };
                    self.asked_places.push(format!("{} {place:?}", query.bucket));
                    self.places.insert(query.step, place);
                }
                Query::Answer(key) => {
                    let found = self.store_answers.get(&key).cloned();
                    self.answers.insert(key, found);
                }
                Query::Cooling(scope) => {
                    let found = self.store_cooling.get(&scope).copied();
                    self.cooling.insert(scope, found);
                }
            }
        }
    }

    fn keep(&mut self, blobs: &[Blob]) {
        for blob in blobs {
            self.kept.insert(blob.digest, blob.bytes.clone());
        }
    }

    /// Appends what a test brings.
    pub fn push(&mut self, record: Record) {
        self.record(record);
    }

    fn record(&mut self, record: Record) {
        self.keep(&record.blobs);
        if let Some(step) = record.event.step().filter(|_| sends(&record.event)) {
            self.places.remove(step);
        }
        if let Event::ModelAnswered { step, cools: Some(until), result: StepResult::Failed(why), .. } = &record.event {
            let model = self.state.open_at(step).and_then(|open| open.model.clone()).expect("a model was asked");
            let project = self.state.start.as_ref().map(|start| start.project.clone()).unwrap_or_default();
            let row = Cooling { until: *until, why: why.kind };
            self.store_cooling.insert(routes::scope(&project, &model), row);
            self.cooling.clear();
        }
        let head = self.entries.last().map_or(Head::START, Entry::head);
        let salt = [u8::try_from(head.seq % 251).expect("below 251"); 16];
        let entry = Entry::seal(self.state.run, head, self.epoch, self.now, salt, &record.event);
        for kept in self.state.keeps(&record.event, self.now) {
            let (run, entry, at) = (self.state.run, entry.seq, self.now);
            let answer = KeptAnswer { run, entry, at, until: kept.until, value: kept.value };
            self.store_answers.insert(kept.key, answer);
            self.answers.clear();
        }
        self.state.apply(&entry, record.event.clone()).unwrap_or_else(|error| panic!("{error}\n{}", self.outline()));
        self.entries.push(entry);
        self.events.push(record.event);
    }

    fn dead(&self) -> bool {
        self.die_after.is_some_and(|most| self.entries.len() >= most)
    }

    /// Until the end, or until nothing can happen any more.
    pub fn run(&mut self) -> &mut Drive {
        for _ in 0..100_000 {
            if self.state.end.is_some() || self.dead() || !self.once() {
                self.audited();
                return self;
            }
        }
        panic!("no end\n{}", self.outline());
    }

    /// Each journal that the kernel writes holds in the audit, and each entry of an action belongs to one act.
    pub fn audited(&self) -> Ledger {
        let mut audit = Audit::new(self.state.run);
        for (entry, event) in self.entries.iter().zip(&self.events) {
            audit.add(entry.seq, entry.at, event).unwrap_or_else(|found| panic!("{found}\n{}", self.outline()));
            let acts = audit.ledger().acts.iter().filter(|act| act.entries.contains(&entry.seq)).count();
            assert_eq!(acts, usize::from(of_an_action(event)), "entry {}\n{}", entry.seq, self.outline());
        }
        audit.ledger().clone()
    }

    fn once(&mut self) -> bool {
        let in_flight = BTreeSet::new();
        let program = self.program.clone();
        let facts = self.facts(&in_flight);
        let nexts = next::next(&program, &self.state, &facts);
        assert!(!nexts.is_empty(), "nothing to do and no end\n{}", self.outline());
        let mut moved = false;
        let mut answers = Vec::new();
        let mut suspend = None;
        for one in nexts {
            match one {
                Next::Record(record) | Next::Finish(record) => {
                    moved = true;
                    if self.dead() {
                        return true;
                    }
                    self.record(record);
                }
                Next::Look(queries) => {
                    moved = true;
                    self.look(queries);
                }
                Next::Native(call) => {
                    let answer = Ok(Value::map([("native", call.input.clone())]));
                    answers.push((call.step, Answer::Native { answer }));
                }
                Next::Ask(request) => {
                    self.calls.push(format!("ask {} #{}", request.step, request.attempt));
                    let answer = self.outside.answer(&request.step, request.attempt);
                    self.asked.push((*request).clone());
                    let (answer, proposed) = proposed(&request, answer);
                    let usage = Usage { input: 10, output: 5, ..Usage::default() };
                    let attempt = request.attempt;
                    answers.push((
                        request.step.clone(),
                        Answer::Model { attempt, answer, usage, raw: None, proposed, said: Said::default() },
                    ));
                }
                Next::Call(permit) => {
                    let input = String::from_utf8(permit.input().to_vec()).expect("JSON");
                    self.calls.push(format!("call {} {} {input}", permit.step(), permit.key()));
                    let probes = self.state.acting(permit.step()).is_some_and(|acting| acting.probes > 0);
                    let asked = match probes && permit.effect() == Effect::Read {
                        true => StepPath::new(format!("{}@probe", permit.step())),
                        false => permit.step().clone(),
                    };
                    let answer = self.outside.answer(&asked, permit.attempt());
                    let attempt = permit.attempt();
                    answers.push((permit.step().clone(), Answer::Tool { attempt, answer, raw: None }));
                }
                Next::Suspend(waiting) => suspend = Some(waiting),
                Next::Hand(handing) => {
                    panic!("the run of `{}` would be driven by another drive: see the engine's tests", handing.workflow)
                }
            }
        }
        for (step, answer) in answers {
            moved = true;
            if self.dead() {
                return true;
            }
            self.settle(&step, &answer);
        }
        match suspend {
            Some(_) if moved => true,
            Some(waiting) => {
                self.slept.push(waiting.waits_for.to_string());
                self.sleep(waiting.until)
            }
            None => moved,
        }
    }

    fn settle(&mut self, step: &StepPath, answer: &Answer) {
        let program = self.program.clone();
        loop {
            let in_flight = BTreeSet::new();
            let facts = self.facts(&in_flight);
            match settle(&program, &self.state, &facts, step, answer) {
                Settled::Record(record) => return self.record(record),
                Settled::Stale => return,
                Settled::Look(queries) => self.look(queries),
            }
        }
    }

    /// Lets time pass, or lets the next message come.
    fn sleep(&mut self, until: Option<Timestamp>) -> bool {
        // What was decided is durable: the store is asked again.
        self.full.clear();
        self.cooling.clear();
        self.answers.clear();
        let text = self.outside.messages.get(self.messages).cloned();
        let patient = text.as_ref().is_some_and(|text| text.starts_with("> "));
        if let Some(text) = text.filter(|_| !patient || until.is_none()) {
            self.messages += 1;
            let text = text.trim_start_matches("> ");
            if let Some(vote) = text.strip_prefix("vote ") {
                self.vote(vote);
                return true;
            }
            if let Some(work) = text.strip_prefix("work ") {
                self.work(work);
                return true;
            }
            let mut words = text.splitn(3, ' ');
            let (kind, name) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            let body = words.next().map_or(Value::Null, |json| Value::from_json(json.as_bytes()).expect("JSON"));
            let record = next::receive(self.state.inbox_read + 1, kind, name, body, "ann").expect("a known message");
            self.record(record);
            return true;
        }
        match until {
            Some(until) => {
                self.now = self.now.max(until);
                true
            }
            None => false,
        }
    }

    /// `person approve | reject WORDS | edit JSON`: on whatever is pending; said so if it is not taken.
    fn vote(&mut self, text: &str) {
        let mut words = text.splitn(3, ' ');
        let (by, what, rest) = (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or(""));
        let json = || Value::from_json(rest.as_bytes()).expect("JSON");
        let decision = match what {
            "approve" => Decision::Approve,
            "reject" => Decision::Reject { reason: rest.to_owned() },
            "edit" => Decision::Edit { with: json() },
            _ => Decision::Answer { value: json() },
        };
        let asked = self.events.iter().rev().find_map(|event| match event {
            Event::ApprovalRequested { step, .. } => Some(step.clone()),
            _ => None,
        });
        let Some(step) = asked else { panic!("nobody is asked\n{}", self.outline()) };
        self.cast(by, decision, step);
    }

    /// A person says yes to what this step asks.
    pub fn approve(&mut self, by: &str, step: &StepPath) {
        self.cast(by, Decision::Approve, step.clone());
    }

    fn cast(&mut self, by: &str, decision: Decision, step: StepPath) {
        let Some(approving) = self.state.approving(&step) else { panic!("nobody is asked\n{}", self.outline()) };
        let people = &self.charter.project("test").people;
        let terms = &approving.terms;
        let vote = Vote::cast(By::Person(by.into()), decision, terms.shown, "local", people, self.now);
        if let Err(why) = admit(terms, &approving.votes, &vote, people, self.now) {
            self.refused.push(why.to_string());
            return;
        }
        let (message, approval) = (self.state.inbox_read + 1, approving.id.clone());
        self.record(Record::of(Event::VoteReceived { message, step, approval, vote }));
    }

    /// `person JSON`: does the work that was handed over last, whether it still waits or not.
    fn work(&mut self, text: &str) {
        let (by, output) = text.split_once(' ').expect("person JSON");
        let opened = self.events.iter().rev().find_map(|event| match event {
            Event::WorkOpened { step, work, .. } => Some((step.clone(), work.clone())),
            _ => None,
        });
        let Some((step, work)) = opened else { panic!("nothing was handed over\n{}", self.outline()) };
        let people = &self.charter.project("test").people;
        let (groups, directory) = (people.groups_at(by, self.now), people.digest());
        let body = Value::map([
            ("step", Value::from(step.as_str())),
            ("work", Value::Text(work)),
            ("output", Value::from_json(output.as_bytes()).expect("JSON")),
            ("auth", "local".into()),
            ("groups", Value::list(groups.into_iter().map(Value::Text))),
            ("directory", Value::from(directory.to_string())),
            ("at", Value::from(self.now.to_string())),
        ]);
        let record = next::receive(self.state.inbox_read + 1, "answer", "", body, by).expect("a known message");
        self.record(record);
    }

    /// The journal, one line an entry.
    pub fn outline(&self) -> String {
        let mut out = String::new();
        for (entry, event) in self.entries.iter().zip(&self.events) {
            let line = story::line(event);
            let line = match line.find(" of bundle ") {
                Some(at) => line[..at].to_owned(),
                None => line,
            };
            let _ = writeln!(out, "{:<3} {line}", entry.seq);
        }
        out
    }
}

/// An answer to a model that was offered something: `{"propose": [{"tool.operation": {…}}]}`, or the final answer, where `$E(tool.operation)`
/// is the evidence that was last given with a result of it.
fn proposed(request: &ModelRequest, answer: Result<Value, Failure>) -> (Result<Value, Failure>, Vec<Proposed>) {
    let (false, Ok(answer)) = (request.offers.is_empty(), &answer) else { return (answer, Vec::new()) };
    let mut text = answer.to_json();
    while let Some((before, rest)) = text.split_once("$E(") {
        let (called, after) = rest.split_once(')').expect("a closing bracket");
        let name = called.replace('.', "__");
        let returned = request.turns.iter().rev().find_map(|turn| match turn {
            Turn::Returned(all) => all.iter().rev().find(|one| *one.name == *name && !one.failed),
            _ => None,
        });
        let evidence = returned.and_then(|one| one.text.rsplit_once("evidence: ")).map_or("none", |(_, id)| id);
        text = format!("{before}{evidence}{after}");
    }
    let answer = Value::from_json(text.as_bytes()).expect("JSON");
    let one = |place: usize, name: &str, arguments: &Value| Proposed {
        id: format!("p{place}").into(),
        name: name.replace('.', "__").into(),
        arguments: arguments.clone(),
    };
    let all = match answer.get("propose") {
        Some(Value::List(all)) => {
            let pairs = all.iter().enumerate().map(|(place, proposal)| match proposal {
                Value::Map(map) => map.iter().map(|(name, with)| one(place, name, with)).next().expect("a proposal"),
                other => panic!("{other} is no proposal"),
            });
            pairs.collect()
        }
        _ => vec![one(0, "answer", &answer)],
    };
    let said = answer.get("text").cloned().unwrap_or_else(|| "".into());
    (Ok(said), all)
}

/// Whether something leaves after it.
fn sends(event: &Event) -> bool {
    matches!(
        event,
        Event::ModelAsked { .. }
            | Event::ActionStarted { .. }
            | Event::ActionResent { .. }
            | Event::ProbeStarted { .. }
    )
}

fn of_an_action(event: &Event) -> bool {
    matches!(
        event,
        Event::ActionJudged { .. }
            | Event::ApprovalRequested { .. }
            | Event::VoteReceived { .. }
            | Event::ApprovalEscalated { .. }
            | Event::ApprovalEnded { .. }
            | Event::ActionStarted { .. }
            | Event::ActionResent { .. }
            | Event::ActionFinished { .. }
            | Event::OutcomeUnknown { .. }
            | Event::ProbeStarted { .. }
            | Event::ProbeFinished { .. }
            | Event::LateAnswerReceived { .. }
            | Event::EffectResolved { .. }
    )
}

/// Runs a workflow and compares its printed journal.
#[track_caller]
pub fn check(project: &str, input: &str, outside: &str, expected: expect_test::Expect) {
    let mut drive = match project.contains("--- policies/") {
        true => Drive::governed(project, "", input, Outside::new(outside)),
        false => Drive::new(program(project), input, Outside::new(outside)),
    };
    drive.run();
    expected.assert_eq(&drive.outline());
    // The stored bytes say the same as what was applied while it ran.
    let mut folded = RunState::new(drive.state.run);
    folded.fold(&drive.entries).expect("the journal folds");
    assert_eq!(folded, drive.state, "folding the stored journal gives the state that ran");
}
