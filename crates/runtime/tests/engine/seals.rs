//! Journals are sealed, and data that were put back or copied are not driven: nothing is sent twice because a directory was.

use std::{
    fs,
    io::BufReader,
    path::{Path, PathBuf},
    sync::Arc,
};

use expect_test::expect;
use kernel::{
    ids::RunId,
    next::Starter,
    recovery::{FailureKind, Phase},
    values::Span,
};
use runtime::{
    RunError, Runtime, Start,
    govern::{Asker, Outcome},
    seals::{self, Anchors},
};
use store::{
    OutMessage, OutQuery, OutState, Seal, Status,
    sqlite::{SqliteOptions, SqliteStore},
};

use crate::world::{Outside, World, failure, json, lock};

const PAY: &str = r#"
    --- workflows/pay.yaml
    workflow: pay
    result: { value: =second }
    stages:
      - stage: only
        steps:
          - { step: first, act: bank.pay, with: { cents: =input.cents } }
          - { step: second, act: bank.pay, with: { cents: =first.cents } }
    --- tools/bank.yaml
    tool: bank
    native: true
    operations: { pay: { effect: idempotent } }
    --- policies/allow/all.cedar
    @id("all") permit (principal, action, resource);
"#;

const PROBED: &str = r#"{ pay: { effect: probed, probe: { operation: find, with: { key: "=key" }, found: answer.count > 0, settle: 2m } }, find: { effect: read } }"#;

/// A data directory in a folder, and the world that drives it.
struct Place {
    folder: tempfile::TempDir,
    world: World,
}

impl Place {
    fn new() -> Place {
        Place::of(PAY, Outside::echo())
    }

    fn of(text: &str, outside: Arc<Outside>) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let world = World::new(text, outside);
        let mut place = Place { folder, world };
        place.open("data");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Opens the data of that name; its anchors stand beside it.
    fn open(&mut self, name: &str) {
        self.close();
        let dir = self.path(name);
        self.world.store = Arc::new(SqliteStore::open(&dir, SqliteOptions::default()).unwrap());
        self.world.anchors = Some(Anchors::beside(&dir));
    }

    /// Lets the directory go.
    fn close(&mut self) {
        self.world.store = Arc::new(store::memory::MemoryStore::new());
    }

    fn copy(&self, from: &str, to: &str) {
        copy(&self.path(from), &self.path(to));
    }

    fn runtime(&self) -> Runtime {
        self.world.runtime_on(self.world.store.clone())
    }

    /// Why the data are not driven.
    async fn refusal(&self) -> String {
        let refused = self.runtime().worker().run(std::future::pending::<()>()).await.unwrap_err();
        assert!(matches!(refused, RunError::PutBack { .. }), "{refused:?}");
        let way = refused.hint().unwrap();
        let text = refused.to_string().replace(&self.folder.path().canonicalize().unwrap().display().to_string(), "…");
        let command = way.split('`').nth(1).unwrap().to_owned();
        format!("{text} | {command}")
    }

    fn sent(&self) -> usize {
        lock(&self.world.outside.log).len()
    }

    /// Waits until the bank was asked so often.
    async fn asked(&self, times: usize) {
        while self.sent() < times {
            aside().await;
        }
    }

    /// The seals of the anchor file.
    fn anchored(&self, name: &str) -> Vec<(u64, kernel::ids::Digest)> {
        let file = fs::File::open(self.path(name)).unwrap();
        let read = seals::read(BufReader::new(file)).unwrap().unwrap();
        read.into_iter().map(|(_, anchor)| (anchor.no, anchor.hash)).collect()
    }

    async fn sealed(&self) -> Vec<Seal> {
        self.world.store.seals(0, 1_000).await.unwrap()
    }

    /// Lets time pass until there are so many seals.
    async fn until_sealed_after(&self, span: Span, count: usize) -> Seal {
        while self.sealed().await.len() < count {
            self.world.clock.advance(span);
            for _ in 0..50 {
                aside().await;
            }
        }
        self.until_sealed(count).await
    }

    /// Waits until there are so many seals, and their anchors.
    async fn until_sealed(&self, count: usize) -> Seal {
        for _ in 0..5_000_000 {
            let seals = self.sealed().await;
            let whole = fs::read(self.path("data.anchors.ndjson")).is_ok_and(|text| text.ends_with(b"\n"));
            if let Some(seal) = seals.get(count - 1)
                && whole
                && self.anchored("data.anchors.ndjson").last() == Some(&(seal.no, seal.hash))
            {
                return seal.clone();
            }
            aside().await;
        }
        panic!("there are {} seals", self.sealed().await.len());
    }

    /// Waits until the run rests.
    async fn rested(&self, run: RunId) -> Status {
        for _ in 0..5_000_000 {
            let row = self.world.row(run).await;
            let busy = matches!(row.status, Status::Queued | Status::Running) || row.inbox_gen > row.inbox_read;
            if !busy {
                return row.status;
            }
            aside().await;
        }
        panic!("the run never comes to rest: {}\n{:?}", self.world.outline(run).await, self.world.row(run).await);
    }
}

/// Lets others work, also those on threads of their own.
async fn aside() {
    tokio::task::spawn_blocking(|| ()).await.unwrap();
    tokio::task::yield_now().await;
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn ann() -> Asker {
    Asker { by: "ann".into(), auth: "local".into() }
}

#[tokio::test]
async fn what_moved_is_sealed_every_minute_after_enough_entries_and_at_the_end() {
    let mut place = Place::new();
    place.world.config.seal_records = 3;
    place.world.config.lease = Span::from_millis(1 << 40);
    let life = place.world.boot().await;
    let first = place.until_sealed(1).await;
    assert!(first.heads.is_empty(), "a process says that it begins");

    // Enough entries: one second later at the soonest.
    let run = life.start(place.world.start(r#"{"cents": 5}"#)).await.run;
    assert_eq!(place.rested(run).await, Status::Completed);
    place.world.clock.advance(Span::from_millis(999));
    aside().await;
    assert_eq!(place.sealed().await.len(), 1);
    let second = place.until_sealed_after(Span::from_millis(1_000), 2).await;
    let head = second.heads[&run];
    assert_eq!((head.head, head.closed), (place.world.row(run).await.head, true));

    // Time: only what moved meanwhile.
    let mut start = place.world.start(r#"{"cents": 6}"#);
    start.key = None;
    place.world.outside.hold("bank.pay");
    let other = life.start(start).await.run;
    place.asked(3).await;
    let third = place.until_sealed_after(Span::from_millis(60_000), 3).await;
    assert_eq!(third.heads.keys().collect::<Vec<_>>(), [&other]);
    assert!(!third.heads[&other].closed);

    // The end: everything that is left.
    place.world.outside.release("bank.pay");
    place.rested(other).await;
    life.leave().await;
    let seals = place.sealed().await;
    assert!(seals.len() > 3 && seals[seals.len() - 1].heads[&other].closed);
    let kept: Vec<_> = seals.iter().map(|seal| (seal.no, seal.hash)).collect();
    assert_eq!(place.anchored("data.anchors.ndjson"), kept);
    place.world.check_store().await.unwrap();
    assert!(place.runtime().seal().await.unwrap().is_none(), "nothing has moved since");
}

#[tokio::test]
async fn a_death_between_a_seal_and_its_anchor_is_made_good_by_the_next_process() {
    let mut place = Place::new();
    let life = place.world.boot().await;
    let run = life.start(place.world.start(r#"{"cents": 5}"#)).await.run;
    place.rested(run).await;
    life.leave().await;
    let whole = fs::read_to_string(place.path("data.anchors.ndjson")).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let (last, before) = lines.split_last().unwrap();
    // Written in place, so that it stays the same file.
    fs::write(place.path("data.anchors.ndjson"), format!("{}{}", before.concat(), &last[..last.len() / 2])).unwrap();
    place.open("data");
    let life = place.world.boot().await;
    place.until_sealed(lines.len()).await;
    life.leave().await;
    let kept: Vec<_> = place.sealed().await.iter().map(|seal| (seal.no, seal.hash)).collect();
    assert_eq!(place.anchored("data.anchors.ndjson"), kept);
}

/// R31: an old copy in the place of the data. Every call counts.
#[tokio::test]
async fn an_old_copy_in_the_place_of_the_data_is_refused_and_sends_nothing_again() {
    let mut place = Place::new();
    place.world.outside.hold("bank.pay");
    let life = place.world.boot().await;
    let run = life.start(place.world.start(r#"{"cents": 5}"#)).await.run;
    place.asked(1).await;
    life.crash().await;
    place.close();
    place.copy("data", "old");

    // The original goes on: the open payment learns its outcome, the second one is made.
    place.open("data");
    place.world.outside.release("bank.pay");
    let life = place.world.boot().await;
    assert_eq!(place.rested(run).await, Status::Completed);
    life.leave().await;
    place.close();
    let sent = place.sent();
    assert_eq!(sent, 3, "the first one twice under one key, the second once");

    fs::rename(place.path("data"), place.path("new")).unwrap();
    fs::rename(place.path("old"), place.path("data")).unwrap();
    place.open("data");
    expect![[r#"the data end with seal 1, and …/data.anchors.ndjson knows seal 3: they were put back to an earlier state, and what was done since would be done again | surefoot db accept-rollback --as NAME --reason TEXT"#]]
    .assert_eq(&place.refusal().await);
    let wrong = place.runtime().adopt("moved", &ann()).await.unwrap_err();
    assert!(wrong.to_string().contains("db accept-rollback"), "{wrong}");
    assert!(matches!(place.runtime().seal().await, Err(RunError::PutBack { .. })));
    assert_eq!(place.sent(), sent);

    let reviewed = place.runtime().accept_rollback("the disk was lost", &ann()).await.unwrap();
    assert_eq!((reviewed.runs, reviewed.open), (vec![run], 1));
    let life = place.world.boot().await;
    assert_eq!(place.rested(run).await, Status::Paused);
    assert_eq!(place.sent(), sent, "nothing is sent again by itself");
    let unknown = life.runtime.effects(true).await.unwrap();
    assert_eq!(unknown.iter().map(|row| &*row.action.step).collect::<Vec<_>>(), ["first"]);

    // A person has looked: the first payment was made. Only then does anything go on.
    let made = Outcome::Performed { output: json(r#"{"cents": 5}"#), external_id: None };
    life.runtime.resolve(run, (&"first".into(), None), made, "seen at the bank", &ann()).await.unwrap();
    life.runtime.resume(run, "ann").await.unwrap();
    assert_eq!(place.rested(run).await, Status::Completed);
    assert_eq!(place.sent(), sent + 1);
    let calls = place.world.outside.asked("bank.pay");
    assert_eq!(calls[sent].key, calls[sent - 1].key, "whoever de-duplicates sees the same payment");
    expect![[r#"
        1   run started: pay
        2   first: started bank.pay {"cents":5}
        3   review of what was sent asked by ann
        4   first: outcome unknown, unknown_outcome: `bank.pay` was sent before the data were put back or copied: what became of it stands outside; a person must resolve it
        5   first: ann says that sending 1 was performed: seen at the bank
        6   resume asked by ann
        7   first: finished {"cents":5}
        8   second: started bank.pay {"cents":5}
        9   second: finished {"cents":5}
        10  stage only done
        11  run completed {"cents":5}
    "#]]
    .assert_eq(&place.world.outline(run).await);
    life.leave().await;
    place.world.check_store().await.unwrap();

    // What was let go does not count any more, and the newer data are the ones that are refused now.
    assert_eq!(place.anchored("data.anchors.ndjson").last().unwrap().0, place.sealed().await.last().unwrap().no);
    place.close();
    fs::rename(place.path("data"), place.path("older")).unwrap();
    fs::rename(place.path("new"), place.path("data")).unwrap();
    place.open("data");
    let refused = place.refusal().await;
    assert!(refused.contains("db accept-rollback"), "{refused}");
}

/// An unknown outcome that its probe was to ask about, and a message whose time had come.
#[tokio::test]
async fn after_a_rollback_no_probe_asks_and_no_message_leaves_by_itself() {
    let text = PAY.replace("{ pay: { effect: idempotent } }", PROBED).replace("    result: { value: =second }\n", "");
    let outside = Outside::new(|asked, _, _| match &*asked.what {
        "bank.pay" => Err(failure(FailureKind::ToolTimeout, Phase::MaybeSent)),
        _ => Ok(json(r#"{"count": 0}"#)),
    });
    let mut place = Place::of(&text, outside);
    let life = place.world.boot().await;
    let program = Asker { by: "program".into(), auth: "local".into() };
    life.runtime.enact(&"test".into(), place.world.project.policies.as_deref(), None, &program).await.unwrap();
    let starter = Starter { project: "test".into(), by: None };
    let run = life.start(Start { starter, ..place.world.start(r#"{"cents": 5}"#) }).await.run;
    assert_eq!(place.rested(run).await, Status::Waiting, "{}", place.world.outline(run).await);
    let now = place.world.now();
    for (id, due_at) in [("msg_now", now), ("msg_later", now + Span::from_millis(86_400_000))] {
        let body = br#"{"news":"run_paused"}"#.as_slice().into();
        let message = OutMessage { id: id.into(), channel: "test/desk".into(), body, at: now, due_at };
        assert!(place.world.store.tell(run, message).await.unwrap());
    }
    life.leave().await;
    place.close();
    place.copy("data", "old");
    place.open("data");
    let life = place.world.boot().await;
    life.runtime.signal(run, "news", json("1"), None, "ann").await.unwrap();
    place.rested(run).await;
    life.leave().await;
    place.close();

    fs::rename(place.path("data"), place.path("new")).unwrap();
    fs::rename(place.path("old"), place.path("data")).unwrap();
    place.open("data");
    let sent = place.sent();
    place.runtime().accept_rollback("the disk was lost", &ann()).await.unwrap();
    let kept = place.world.store.outbox(OutQuery::default()).await.unwrap();
    let states: Vec<_> = kept.iter().map(|row| (&*row.id, row.state)).collect();
    assert_eq!(states, [("msg_later", OutState::Waiting), ("msg_now", OutState::Dead)]);

    // The time of the probe comes, and a person lets the run go on: nothing asks.
    place.world.clock.advance(Span::from_millis(600_000));
    let life = place.world.boot().await;
    assert_eq!(place.rested(run).await, Status::Paused);
    life.runtime.resume(run, "ann").await.unwrap();
    assert_eq!(place.rested(run).await, Status::Waiting);
    assert_eq!(place.sent(), sent, "{}", place.world.outline(run).await);
    let unknown = life.runtime.effects(true).await.unwrap();
    assert_eq!(unknown.iter().map(|row| &*row.action.step).collect::<Vec<_>>(), ["first"]);
    expect![[r#"
        1   run started: pay
        2   first: started bank.pay {"cents":5}
        3   first: outcome unknown, tool_timeout: as told; a probe asks at 2030-01-01T00:02:00.000Z
        4   review of what was sent asked by ann
        5   first: outcome unknown, unknown_outcome: `bank.pay` was sent before the data were put back or copied: what became of it stands outside; a person must resolve it
        6   resume asked by ann
    "#]].assert_eq(&place.world.outline(run).await);
    life.leave().await;
    place.world.check_store().await.unwrap();
}

#[tokio::test]
async fn a_copy_elsewhere_is_refused_until_it_is_adopted() {
    let mut place = Place::new();
    place.world.outside.hold("bank.pay");
    let life = place.world.boot().await;
    let run = life.start(place.world.start(r#"{"cents": 5}"#)).await.run;
    place.asked(1).await;
    life.crash().await;
    let original = place.world.store.instance_id().await.unwrap();
    place.close();

    place.copy("data", "alone");
    place.copy("data", "both");
    fs::copy(place.path("data.anchors.ndjson"), place.path("both.anchors.ndjson")).unwrap();
    place.open("alone");
    expect!["the data were sealed, and there is no …/alone.anchors.ndjson: they are a copy, or were moved without it | surefoot db adopt --as NAME --reason TEXT"]
        .assert_eq(&place.refusal().await);
    place.open("both");
    expect!["…/both.anchors.ndjson is a copy: the data are a copy as well, or were restored together with it | surefoot db adopt --as NAME --reason TEXT"]
        .assert_eq(&place.refusal().await);
    let wrong = place.runtime().accept_rollback("lost", &ann()).await.unwrap_err();
    assert!(wrong.to_string().contains("db adopt"), "{wrong}");
    assert_eq!(place.sent(), 1);

    for name in ["alone", "both"] {
        place.open(name);
        let reviewed = place.runtime().adopt("for trials", &ann()).await.unwrap();
        assert_eq!((reviewed.runs, reviewed.open), (vec![run], 1), "{name}");
        assert_ne!(reviewed.instance, original);
        assert_eq!(place.world.store.instance_id().await.unwrap(), reviewed.instance);
        let life = place.world.boot().await;
        assert_eq!(place.rested(run).await, Status::Paused, "{name}");
        life.leave().await;
        assert_eq!(place.sent(), 1, "{name}");
        let again = place.runtime().adopt("once more", &ann()).await.unwrap_err();
        assert!(again.to_string().contains("nothing to adopt"), "{again}");
        place.world.check_store().await.unwrap();
    }

    // The original knows nothing of it.
    place.world.outside.release("bank.pay");
    place.open("data");
    let life = place.world.boot().await;
    assert_eq!(place.rested(run).await, Status::Completed);
    life.leave().await;

    // One deployment's data in the place of another's.
    place.close();
    fs::rename(place.path("data"), place.path("kept")).unwrap();
    fs::rename(place.path("alone"), place.path("data")).unwrap();
    place.open("data");
    let refused = place.refusal().await;
    assert!(refused.starts_with("the data are those of deployment ") && refused.contains("db adopt"), "{refused}");
}

#[tokio::test]
async fn whoever_removes_the_data_begins_anew_and_what_was_removed_does_not_come_back_unseen() {
    let mut place = Place::new();
    for _ in 0..2 {
        let life = place.world.boot().await;
        let run = life.start(place.world.start(r#"{"cents": 5}"#)).await.run;
        assert_eq!(place.rested(run).await, Status::Completed);
        life.leave().await;
        place.close();
        fs::remove_dir_all(place.path("gone")).unwrap_or_default();
        fs::rename(place.path("data"), place.path("gone")).unwrap();
        place.open("data");
    }
    let numbers: Vec<u64> = place.anchored("data.anchors.ndjson").iter().map(|(no, _)| *no).collect();
    assert_eq!(numbers, [1, 2, 1, 2], "what was sealed before stays readable");
    let life = place.world.boot().await;
    place.until_sealed(1).await;
    life.leave().await;
    place.close();
    fs::remove_dir_all(place.path("data")).unwrap();
    fs::rename(place.path("gone"), place.path("data")).unwrap();
    place.open("data");
    let refused = place.refusal().await;
    assert!(refused.starts_with("the data are those of deployment "), "{refused}");
}

#[tokio::test]
async fn an_anchor_file_that_cannot_be_written_stops_a_process_that_begins_and_not_one_that_works() {
    let mut place = Place::new();
    place.world.anchors = Some(Anchors::at(place.path("nowhere/anchors")));
    let refused = place.runtime().worker().run(std::future::pending::<()>()).await.unwrap_err();
    assert!(matches!(refused, RunError::Anchors { .. }), "{refused:?}");
    assert!(refused.hint().unwrap().contains("SUREFOOT_ANCHORS"));

    place.open("data");
    let life = place.world.boot().await;
    let run = life.start(place.world.start(r#"{"cents": 5}"#)).await.run;
    assert_eq!(place.rested(run).await, Status::Completed);
    fs::rename(place.path("data.anchors.ndjson"), place.path("aside")).unwrap();
    life.leave().await;
    fs::rename(place.path("aside"), place.path("data.anchors.ndjson")).unwrap();
    place.open("data");
    let life = place.world.boot().await;
    place.until_sealed(3).await;
    life.leave().await;
    let kept: Vec<_> = place.sealed().await.iter().map(|seal| (seal.no, seal.hash)).collect();
    assert_eq!(place.anchored("data.anchors.ndjson"), kept, "what could not be written then is written now");
}
