//! A random walk through all verbs, on two stores at once.
#![allow(dead_code, reason = "each test target uses its own part")]

mod governed;

use std::collections::BTreeMap;

use kernel::{
    ids::{Digest, RunId, WorkerId},
    journal::{Blob, Entry, Event, Head},
};
use store::{
    ActionQuery, Append, Appended, Beat, Claimed, FindQuery, Guard, KeyKind, LateResult, Posted, RunKey, RunQuery,
    Started, Status, Store, StoreError,
};

use crate::cases::{LEASE, Pen, aside::cooled, at, blob_step, governed::missed, message, run_id, step_done, worker};

/// What must happen at least once in a walk that means something.
pub const KINDS: [&str; 79] = [
    "started",
    "forked",
    "tried again",
    "started owned",
    "start known",
    "start conflict",
    "start of an erased one",
    "start refused",
    "claimed",
    "claimed nothing",
    "claimed a suspect",
    "appended",
    "appended a blob",
    "fenced",
    "refused",
    "misuse",
    "action open",
    "action resent",
    "action closed",
    "action in doubt",
    "counted",
    "taken back",
    "asked",
    "consumed",
    "closed",
    "reserved",
    "settled",
    "work opened",
    "work closed",
    "sent",
    "child started",
    "told",
    "published",
    "wanted",
    "governed",
    "governed too late",
    "voted",
    "vote known",
    "vote conflict",
    "vote stale",
    "vote expired",
    "vote closed",
    "frozen",
    "listed in doubt",
    "work claimed",
    "work taken",
    "work released",
    "left, or tried again",
    "let go again",
    "taken",
    "not before",
    "unfrozen",
    "cooled down",
    "answer kept",
    "asked again",
    "sealed",
    "sealed too late",
    "outcome said",
    "outcome too early",
    "erased",
    "erased too early",
    "suspended",
    "finished",
    "posted",
    "post known",
    "post final",
    "pardoned",
    "joined",
    "joined, runs taken",
    "beat alive",
    "beat dead",
    "left",
    "reaped",
    "quarantined",
    "salvaged",
    "listed",
    "found",
    "read a page",
    "next due",
];

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

/// Both stores, and what a worker would remember.
struct Walk<'a> {
    reference: &'a dyn Store,
    other: &'a dyn Store,
    dice: Dice,
    now: i64,
    workers: u8,
    /// Leases as their owners believe them, also lost ones: they are what gets fenced.
    pens: BTreeMap<(RunId, u64), Pen>,
    runs: u16,
    /// For which step of a run something was last to be set aside.
    reserving: BTreeMap<RunId, String>,
    bundle: Digest,
    done: &'a mut [u32; KINDS.len()],
}

/// Takes `steps` random steps from `seed` and panics at the first difference.
pub async fn walk(seed: u64, steps: u32, reference: &dyn Store, other: &dyn Store, done: &mut [u32; KINDS.len()]) {
    let bytes: std::sync::Arc<[u8]> = (*b"{}").into();
    let bundle = Digest::of(&[&bytes]);
    let (pens, reserving) = (BTreeMap::new(), BTreeMap::new());
    let mut walk =
        Walk { reference, other, dice: Dice(seed), now: 1, workers: 0, pens, runs: 0, reserving, bundle, done };
    for store in [reference, other] {
        store.put_bundle(bundle, bytes.clone(), at(0)).await.unwrap();
    }
    walk.join().await;
    for _ in 0..steps {
        walk.step().await;
    }
    walk.compare().await;
}

/// Asks both stores the same and gives the one answer.
macro_rules! both {
    ($walk:expr, $verb:ident($($argument:expr),*)) => {{
        let reference = told($walk.reference.$verb($($argument.clone()),*).await);
        let other = told($walk.other.$verb($($argument.clone()),*).await);
        assert_eq!(other, reference, "{} differs", stringify!($verb));
        reference
    }};
}
use both;

/// An answer that can be compared: errors by what they say.
fn told<T>(answer: Result<T, StoreError>) -> Result<T, String> {
    answer.map_err(|error| error.to_string())
}

impl Walk<'_> {
    fn did(&mut self, kind: &str) {
        let place = KINDS.iter().position(|known| *known == kind).expect("listed in KINDS");
        self.done[place] += 1;
    }

    fn own(&self) -> WorkerId {
        worker(self.workers)
    }

    async fn step(&mut self) {
        // Now and then the clock stands still, and sometimes it steps back.
        match self.dice.roll(20) {
            0..6 => {}
            6 => self.now -= 2,
            7 => self.now += 45,
            _ => self.now += 1,
        }
        match self.dice.roll(100) {
            0..12 => self.start().await,
            12..27 => self.claim().await,
            27..62 => self.append().await,
            62..70 => self.vote().await,
            70..77 => self.post().await,
            77..80 => self.govern().await,
            80..84 => self.join().await,
            84..87 => self.beat().await,
            87..88 => self.leave().await,
            88..90 => self.reap().await,
            90..92 => self.salvage().await,
            92..98 => self.aside().await,
            _ => self.read().await,
        }
    }

    async fn start(&mut self) {
        let fresh = self.dice.chance(70) || self.runs == 0;
        let number = if fresh { self.runs + 1 } else { 1 + self.dice.roll(self.runs.into()) as u16 };
        let owner = self.dice.chance(40).then(|| self.own());
        let bed = crate::cases::Bed::memory();
        let mut new = bed.new_run(number, owner, self.now).await;
        new.bundle = self.bundle;
        if self.dice.chance(50) {
            new.start_key = Some(format!("key-{}", self.dice.roll(12)).into());
        }
        if self.dice.chance(10) {
            new.bundle = Digest::ZERO;
        }
        if self.dice.chance(10) {
            new.owner = Some(worker(200));
        }
        let blob = Blob::new(vec![number as u8; 20]);
        new.blobs.push(blob);
        if self.dice.chance(20) {
            let of = run_id(1 + self.dice.roll(4) as u16);
            new = crate::cases::start::forked(new, of, 1 + self.dice.roll(80), self.dice.roll(5));
            let again = self.dice.chance(30);
            new.inherited.iter_mut().for_each(|inherited| inherited.again = again);
        }
        match both!(self, start(new)) {
            Ok(Started::Created) => {
                self.runs = self.runs.max(number);
                self.did("started");
                if let Some(inherited) = &new.inherited {
                    self.did(if inherited.again { "tried again" } else { "forked" });
                }
                if let Some(owner) = owner {
                    self.did("started owned");
                    let pen = Pen { run: new.run, epoch: 1, owner, head: new.first.head(), now: at(self.now) };
                    self.pens.insert((new.run, 1), pen);
                }
            }
            Ok(Started::Known { .. }) => self.did("start known"),
            Ok(Started::Conflict { .. }) => self.did("start conflict"),
            Ok(Started::Erased { .. }) => self.did("start of an erased one"),
            Err(_) => self.did("start refused"),
        }
    }

    async fn claim(&mut self) {
        let (owner, limit, now) = (self.own(), self.dice.roll(4) as u32, at(self.now));
        let claimed: Vec<Claimed> = both!(self, claim(owner, limit, now)).unwrap();
        if claimed.is_empty() {
            self.did("claimed nothing");
        }
        for claim in claimed {
            self.did("claimed");
            let row = self.reference.run(claim.run).await.unwrap().expect("it was claimed");
            if row.strikes >= 2 {
                self.did("claimed a suspect");
            }
            self.pens.insert((claim.run, claim.epoch), Pen::of(&claim, owner, self.now));
        }
    }

    async fn append(&mut self) {
        if self.pens.is_empty() {
            return;
        }
        let mut pens: Vec<Pen> = self.pens.values().copied().collect();
        if self.dice.chance(60) {
            // Those whose lease is still theirs, if there are any.
            let mut live = Vec::new();
            for pen in &pens {
                let row = self.reference.run(pen.run).await.unwrap();
                live.extend(row.filter(|row| (row.owner, row.epoch) == (Some(pen.owner), pen.epoch)).map(|_| *pen));
            }
            pens = if live.is_empty() { pens } else { live };
        }
        let mut pen = pens[self.dice.roll(pens.len() as u64) as usize];
        pen.now = at(self.now);
        let (append, kind) = self.compose(&pen).await;
        let head = append.entries.last().map_or(pen.head, Entry::head);
        let started = if kind == "child started" { self.runs + 1 } else { 0 };
        match both!(self, append(append)) {
            Ok(Appended::Done { .. }) => {
                self.did("appended");
                self.did(kind);
                pen.head = head;
                if kind == "child started" {
                    self.runs = self.runs.max(started);
                }
                if matches!(kind, "suspended" | "finished") && self.dice.chance(70) {
                    self.pens.remove(&(pen.run, pen.epoch));
                } else {
                    self.pens.insert((pen.run, pen.epoch), pen);
                }
            }
            Ok(Appended::Fenced) => {
                self.did("fenced");
                if self.dice.chance(50) {
                    self.pens.remove(&(pen.run, pen.epoch));
                }
            }
            Ok(Appended::Refused { .. }) => self.did("refused"),
            Err(_) => self.did("misuse"),
        }
    }

    /// Something that an owner might append, and what it is called.
    async fn compose(&mut self, pen: &Pen) -> (Append, &'static str) {
        let inbox_gen = self.reference.run(pen.run).await.unwrap().map_or(0, |row| row.inbox_gen);
        let step = format!("s{}", self.dice.roll(3));
        let seen = if self.dice.chance(80) { inbox_gen } else { inbox_gen.saturating_sub(1) };
        let mut kind = "appended";
        // Mostly one that fits: most of the steps that are drawn have nothing open.
        let open = self.reference.open_actions(ActionQuery { limit: 1000, ..ActionQuery::default() }).await.unwrap();
        let open = open.iter().find(|row| row.run == pen.run && self.dice.chance(60));
        let opened = open.map_or(step.clone(), |row| row.action.step.to_string());
        let mut append = match self.dice.roll(24) {
            0 | 1 => {
                kind = "action open";
                pen.start_action(&step)
            }
            2 => {
                kind = "action resent";
                pen.resend_action(&opened, 2 + self.dice.roll(3) as u32)
            }
            3 | 4 => {
                kind = "action closed";
                pen.finish_action(&opened, 1)
            }
            5 => {
                kind = "suspended";
                let status = [Status::Waiting, Status::Paused, Status::Blocked][self.dice.roll(3) as usize];
                let wake_at = self.dice.chance(60).then(|| at(self.now + self.dice.roll(6) as i64));
                pen.append(&[], vec![Guard::Suspend { status, waits_for: step.as_str().into(), wake_at }])
            }
            6 => {
                kind = "finished";
                pen.finish([Status::Completed, Status::Failed, Status::Cancelled][self.dice.roll(3) as usize])
            }
            7 => {
                kind = "appended a blob";
                let blob = Blob::new(vec![self.dice.roll(250) as u8; 100]);
                let mut append = pen.append(&[blob_step(&step, &blob)], vec![]);
                append.blobs.push(blob);
                append
            }
            8 => pen.append(&[], vec![]),
            9 => {
                kind = "action in doubt";
                pen.append(&[], vec![Guard::ActionUnknown { step: opened.as_str().into() }])
            }
            20 => {
                kind = "child started";
                let number = if self.dice.chance(80) { self.runs + 1 } else { 1 + self.dice.roll(9) as u16 };
                let bed = crate::cases::Bed::memory();
                let parent = if self.dice.chance(90) { pen.run } else { run_id(1) };
                let mut new = crate::cases::child::child(&bed, number, parent, self.now).await;
                new.bundle = self.bundle;
                pen.append(&[step_done(&step)], vec![Guard::StartChild(Box::new(new))])
            }
            21 => {
                kind = "told";
                let run = run_id(1 + self.dice.roll(u64::from(self.runs) + 1) as u16);
                let message = message(&format!("m{}", self.dice.roll(9)), "child", self.now);
                let tell = Guard::TellRun { run, message, pardon: self.dice.chance(30) };
                pen.append(&[step_done(&step)], vec![tell])
            }
            22 => {
                kind = "published";
                let mut event = self.event();
                event.run = self.dice.chance(50).then_some(pen.run);
                pen.append(&[step_done(&step)], vec![Guard::Publish(Box::new(event))])
            }
            23 => {
                kind = "wanted";
                let store::Published { topic, since, at, .. } = self.event();
                let want = Guard::Want { topic: topic.clone(), since, at };
                let guard = if self.dice.chance(80) { want } else { Guard::Unwant { topic } };
                let guards = match self.dice.chance(50) {
                    true => vec![guard],
                    false => {
                        let waits_for = step.as_str().into();
                        vec![guard, Guard::Suspend { status: Status::Waiting, waits_for, wake_at: None }]
                    }
                };
                pen.append(&[], guards)
            }
            10..18 => {
                let (mut guards, what) = self.governed_guards(pen).await;
                kind = what;
                let mut events = vec![step_done(&step)];
                match &mut guards[..] {
                    [Guard::KeepAnswer(kept)] => {
                        events.insert(0, missed(kept));
                        kept.entry = pen.head.seq + 2;
                    }
                    [Guard::CoolDown { scope, until, .. }] => {
                        events.extend(cooled(scope.trim_start_matches("/model:"), *until));
                    }
                    _ => {}
                }
                pen.append(&events, guards)
            }
            _ => {
                let events: Vec<Event> = (0..1 + self.dice.roll(90)).map(|_| step_done(&step)).collect();
                pen.append(&events, vec![])
            }
        };
        append.guards.insert(0, Guard::InboxIs(seen));
        if self.dice.chance(20) {
            let generation = self.reference.governance(0).await.unwrap().len() as u64;
            append.guards.push(Guard::GovernanceIs(generation.saturating_sub(u64::from(self.dice.chance(30)))));
        }
        if self.dice.chance(10) {
            let value = format!("{}-{}", ["Ref", "ref"][self.dice.roll(2) as usize], self.dice.roll(20)).into();
            append.guards.push(Guard::FoundBy(RunKey { kind: KeyKind::Outside, name: "crm".into(), value }));
        }
        append.charged = self.dice.chance(95).then(|| self.dice.roll(3) as i64);
        append.progress = self.dice.chance(20);
        append.doing = self.dice.chance(50).then(|| step.as_str().into());
        append.inbox_read = self.dice.chance(30).then_some(seen);
        if self.dice.chance(4) {
            append.entries.iter_mut().for_each(|entry| entry.seq += 1);
        }
        if self.dice.chance(4) {
            append.expect.head += 1;
        }
        (append, kind)
    }

    fn event(&mut self) -> store::Published {
        let topic = crate::cases::event::topic("paid", &format!("{}", self.dice.roll(3)));
        let id = format!("e{}", self.dice.roll(60));
        let mut event = crate::cases::event::event(&id, topic, self.now);
        event.since = at(self.now - 1 - self.dice.roll(40) as i64);
        event
    }

    async fn post(&mut self) {
        if self.dice.chance(20) {
            let event = self.event();
            both!(self, publish(event)).unwrap();
            return;
        }
        if self.runs == 0 {
            return;
        }
        let run = run_id(1 + self.dice.roll(self.runs.into()) as u16 + u16::from(self.dice.chance(3)) * 1000);
        let kind = ["signal", "pause", "resume", "cancel", "resolve", "answer"][self.dice.roll(6) as usize];
        let message = message(&format!("m{}", self.dice.roll(6)), kind, self.now);
        let pardon = self.dice.chance(30);
        match both!(self, post(run, message, pardon)) {
            Ok(Posted::New { .. }) if pardon => self.did("pardoned"),
            Ok(Posted::New { .. }) => self.did("posted"),
            Ok(Posted::Known { .. }) => self.did("post known"),
            Ok(Posted::Final { .. }) => self.did("post final"),
            Ok(Posted::Crowded { .. }) | Err(_) => {}
        }
    }

    async fn join(&mut self) {
        if self.dice.chance(90) || self.workers == 0 {
            self.workers = self.workers.saturating_add(1);
        }
        let (owner, now) = (self.own(), at(self.now));
        let owned = self.count(|status| status == Status::Running).await;
        both!(self, join(owner, LEASE, now)).unwrap();
        self.did("joined");
        if owned > self.count(|status| status == Status::Running).await {
            self.did("joined, runs taken");
        }
        if self.count(|status| status == Status::Quarantined).await > 0 {
            self.did("quarantined");
        }
    }

    async fn count(&self, wanted: impl Fn(Status) -> bool) -> usize {
        let all = RunQuery { limit: 10_000, ..RunQuery::default() };
        self.reference.runs(all).await.unwrap().iter().filter(|row| wanted(row.status)).count()
    }

    async fn beat(&mut self) {
        let number = if self.dice.chance(70) { self.workers } else { self.workers.saturating_sub(1) };
        let (who, now) = (worker(number), at(self.now));
        match both!(self, beat(who, LEASE, now)).unwrap() {
            Beat::Alive { .. } => self.did("beat alive"),
            Beat::Dead => self.did("beat dead"),
        }
    }

    async fn leave(&mut self) {
        let (owner, now) = (self.own(), at(self.now));
        both!(self, leave(owner, now)).unwrap();
        self.did("left");
        self.join().await;
    }

    async fn reap(&mut self) {
        let now = at(self.now + if self.dice.chance(40) { 60 } else { 0 });
        if both!(self, reap(now)).unwrap() > 0 {
            self.did("reaped");
            self.join().await;
        }
    }

    async fn salvage(&mut self) {
        let run = run_id(1 + self.dice.roll(u64::from(self.runs) + 1) as u16);
        let late = LateResult {
            run,
            step: format!("s{}", self.dice.roll(3)).into(),
            epoch: self.dice.roll(3),
            attempt: self.dice.roll(2) as u32,
            outcome: format!("{}", self.dice.roll(9)).into_bytes().into(),
            at: at(self.now),
        };
        if both!(self, salvage(late)).is_ok() {
            self.did("salvaged");
        }
    }

    async fn read(&mut self) {
        if self.dice.chance(50) {
            return self.read_governed().await;
        }
        if both!(self, next_due()).unwrap().is_some() {
            self.did("next due");
        }
        let run = run_id(1 + self.dice.roll(u64::from(self.runs) + 1) as u16);
        let (after, limit) = (self.dice.roll(200), self.dice.roll(100) as u32);
        if !both!(self, journal(run, after, limit)).unwrap().is_empty() {
            self.did("read a page");
        }
        let after = self.dice.roll(4);
        both!(self, inbox(run, after)).unwrap();
        let query = RunQuery {
            status: [vec![], vec![Status::Queued], vec![Status::Waiting, Status::Completed]]
                [self.dice.roll(3) as usize]
                .clone(),
            workflow: self.dice.chance(30).then(|| "lead".into()),
            about: self.dice.chance(30).then(|| ("number".into(), self.dice.roll(9).to_string())),
            before: self.dice.chance(30).then_some(run),
            limit: self.dice.roll(9) as u32,
            fork_of: self.dice.chance(20).then(|| run_id(1 + self.dice.roll(4) as u16)),
            parent: self.dice.chance(20).then(|| run_id(1 + self.dice.roll(4) as u16)),
            failure: self.dice.chance(20).then(|| "internal".into()),
            covered: self.dice.chance(30).then(|| self.dice.chance(50)),
        };
        if !both!(self, runs(query)).unwrap().is_empty() {
            self.did("listed");
        }
        both!(self, run_counts()).unwrap();
        let text = match self.dice.roll(5) {
            0 => format!("run_{:04x}", self.dice.roll(9)),
            1 => run_id(1 + self.dice.roll(9) as u16).to_string(),
            2 => ["E", "e1", "ref-", "K", ""][self.dice.roll(5) as usize].to_owned(),
            _ => self.dice.roll(9).to_string(),
        };
        let before = self.dice.chance(30).then_some(run);
        let whole = self.dice.chance(30);
        let query = FindQuery { text, whole, before, limit: self.dice.roll(5) as u32 };
        if !both!(self, find(query)).unwrap().is_empty() {
            self.did("found");
        }
    }

    /// At the end: every row, every journal byte for byte, every inbox, every blob, and all is well in both.
    async fn compare(&mut self) {
        for number in 1..=self.runs {
            let run = run_id(number);
            let row = both!(self, run(run)).unwrap();
            let entries = both!(self, journal(run, 0, 100_000)).unwrap();
            both!(self, inbox(run, 0)).unwrap();
            both!(self, late_results(run)).unwrap();
            if let Some(row) = row {
                assert_eq!(kernel::journal::verify(run, Head::START, &entries), Ok(row.head));
            }
            for byte in 0..=255_u8 {
                for length in [20, 100] {
                    let digest = Blob::new(vec![byte; length]).digest;
                    both!(self, blob(run, digest)).unwrap();
                }
            }
        }
        self.compare_governed().await;
        assert_eq!(both!(self, check()), Ok(vec![]));
    }
}
