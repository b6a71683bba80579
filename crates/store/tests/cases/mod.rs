//! What every store promises, verb by verb. A case gets an empty store and panics when a promise is broken.
#![allow(dead_code, reason = "each test target uses its own part")]

mod append;
pub mod approval;
pub mod aside;
pub mod budget;
pub mod child;
mod claim;
pub mod event;
mod find;
pub mod governed;
pub mod outcome;
mod post;
mod read;
pub mod start;
mod worker;

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};

use kernel::{
    governance::{Effect, Proposal, Verdict},
    ids::{Digest, IdempotencyKey, RunId, StepPath, WorkerId},
    journal::{Blob, End, Entry, Event, Head, Held, Parent, Scope, StepResult},
    values::{Span, Timestamp, Value},
};
use store::{
    AMOUNT_LIMIT, Append, Appended, ApprovalQuery, ApprovalState, BudgetLine, Claimed, Expect, Guard, Message, NewRun,
    OpenAction, OpenApproval, Posted, RunRow, Started, Status, Store,
    memory::MemoryStore,
    sqlite::{SqliteOptions, SqliteStore},
};

/// Names every case once: as a list, and as one test each.
macro_rules! cases {
    ($($file:ident: $($name:ident)*;)*) => {
        /// Every case by name, for harnesses that expect one of them to fail.
        pub const ALL: &[(&str, Case)] = &[$($((stringify!($name), |bed| Box::pin($file::$name(bed))),)*)*];

        /// One test for each case, as a module named after the backend.
        #[macro_export]
        macro_rules! suite {
            ($backend:ident, $bed:expr) => {
                mod $backend {
                    $($(
                        #[tokio::test]
                        async fn $name() {
                            $crate::cases::run(stringify!($name), $bed).await;
                        }
                    )*)*
                }
            };
        }
    };
}

/// One promise.
pub type Case = fn(Bed) -> Pin<Box<dyn Future<Output = ()> + Send>>;

cases! {
    start:
        a_start_writes_row_and_first_entry
        a_start_with_an_owner_is_its_first_claim
        the_same_start_is_known_and_another_input_is_a_conflict
        a_start_that_cannot_be_is_refused_whole
        a_fork_starts_with_all_that_it_inherits
        nothing_goes_on_from_what_is_not_there_any_more
        a_fork_that_cannot_be_is_refused_whole;
    claim:
        the_longest_due_come_first_each_in_a_new_epoch
        what_is_not_due_or_owned_is_not_given
        a_worker_without_a_lease_gets_nothing
        runs_on_their_last_strike_come_one_at_a_time;
    append:
        entries_blobs_and_marks_are_kept
        a_write_that_finds_the_lease_changed_is_fenced_and_writes_nothing
        a_guard_that_does_not_hold_refuses_and_writes_nothing
        calls_that_break_a_rule_write_nothing
        a_suspended_run_is_free_until_its_time
        a_suspend_cannot_sleep_over_a_message
        an_action_is_open_from_its_intent_to_its_outcome
        a_finished_run_takes_nothing_more
        an_append_without_entries_may_still_suspend;
    post:
        messages_are_numbered_and_known_by_id
        a_message_wakes_a_run_that_nobody_owns
        a_message_to_an_owned_run_names_its_owner
        a_message_to_a_finished_run_is_refused
        a_crowded_inbox_still_takes_a_cancel
        only_a_pardon_wakes_a_quarantined_run;
    child:
        a_child_starts_with_the_entry_of_its_parent_or_not_at_all
        what_a_child_says_is_told_with_its_last_entry_and_once
        a_full_inbox_and_a_blocked_run_are_told_all_the_same;
    event:
        an_event_is_told_once_to_each_run_that_waits_for_it
        who_waits_later_hears_of_what_is_kept
        a_fork_is_told_nothing_that_it_has_inherited
        many_events_come_in_portions_and_what_an_erased_run_published_is_gone;
    worker:
        a_lease_lives_by_its_beats
        a_reaped_run_is_due_at_once_with_a_strike
        a_dead_worker_is_fenced_even_in_its_own_runs
        a_run_is_quarantined_after_its_last_strike
        a_completed_step_clears_the_strikes
        a_worker_that_leaves_gives_no_strike
        a_worker_that_joins_buries_the_older_ones
        a_worker_that_joins_frees_blocked_runs;
    read:
        rows_are_listed_newest_first_and_filtered
        a_journal_is_read_in_pages
        bundles_and_blobs_come_back_as_they_were
        the_earliest_due_time_is_known
        late_results_are_kept_once_and_told
        nothing_is_known_of_an_unknown_run;
    find:
        a_run_is_found_by_its_keys_and_how_they_begin
        who_was_told_of_an_event_is_found_by_it
        runs_are_counted_as_they_stand
        a_list_of_few_among_many_is_whole_and_in_order
        what_models_charged_is_summed_until_it_is_not_known
        open_actions_come_in_pages
        what_waits_is_counted;
    outcome:
        the_last_word_of_each_person_counts
        outcomes_of_a_workflow_are_listed_newest_run_first
        versions_are_counted_within_bounds;
    governed:
        changes_are_numbered_chained_and_compared
        what_was_judged_by_an_older_generation_is_refused
        a_change_wakes_what_waits_for_it
        a_counter_moves_with_what_is_counted
        an_unknown_action_stays_until_its_outcome
        guards_that_make_no_sense_write_nothing
        a_run_that_is_over_leaves_nothing_open;
    approval:
        approvals_are_listed_oldest_first_and_filtered
        an_approval_is_consumed_once_in_time_and_for_its_hash
        a_vote_is_told_to_its_run_once
        a_crowded_inbox_still_takes_a_vote;
    budget:
        the_last_unit_is_reserved_once
        a_reservation_that_does_not_fit_writes_nothing
        a_reservation_is_settled_or_forfeited
        an_overrun_is_counted_and_freezes_its_scope;
    aside:
        work_is_listed_claimed_and_released
        a_message_leaves_until_it_has_left
        a_rate_limit_lets_a_burst_through_and_then_its_pace
        a_frozen_scope_is_freed_by_a_person
        an_answer_is_kept_until_its_time_and_goes_with_its_run
        a_model_cools_down_with_the_entry_that_says_so_and_a_person_ends_that
        heads_that_moved_are_sealed_in_a_chain
        a_copy_can_become_a_deployment_of_its_own
        what_a_run_held_is_erased_and_its_chain_still_verifies;
}

/// Runs one case by name.
pub async fn run(name: &str, bed: Bed) {
    let (_, case) = ALL.iter().find(|(known, _)| *known == name).expect("listed by the same macro");
    case(bed).await;
}

/// A second of the tests' clock.
pub const SECOND: i64 = 1_000_000;

/// The lease that workers take here.
pub const LEASE: Span = Span::from_micros(30 * SECOND);

/// `seconds` after the beginning of the tests' time.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000 * SECOND + seconds * SECOND)
}

pub fn worker(number: u8) -> WorkerId {
    WorkerId::from_bytes([number; 16])
}

/// The run with this number; a larger number is a later run.
pub fn run_id(number: u16) -> RunId {
    let mut bytes = [7; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    RunId::from_bytes(bytes)
}

/// The key of the run with this number.
pub fn key(number: u16) -> [u8; 32] {
    [number.to_be_bytes()[1]; 32]
}

/// A fresh store with whatever must live as long.
pub struct Bed {
    pub store: Arc<dyn Store>,
    _keep: Option<tempfile::TempDir>,
}

impl Bed {
    pub fn memory() -> Bed {
        Bed { store: Arc::new(MemoryStore::new()), _keep: None }
    }

    pub fn sqlite() -> Bed {
        Bed::sqlite_with(SqliteOptions::default())
    }

    pub fn sqlite_with(options: SqliteOptions) -> Bed {
        let keep = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&keep.path().join("data"), options).unwrap();
        Bed { store: Arc::new(store), _keep: Some(keep) }
    }

    /// Over a store that the test holds together by itself.
    pub fn over(store: Arc<dyn Store>) -> Bed {
        Bed { store, _keep: None }
    }

    /// Puts the bundle that all runs here name.
    pub async fn bundle(&self) -> Digest {
        let bytes: Arc<[u8]> = (*b"{}").into();
        let digest = Digest::of(&[&bytes]);
        self.store.put_bundle(digest, bytes, at(0)).await.unwrap();
        digest
    }

    pub async fn join(&self, number: u8, seconds: i64) -> WorkerId {
        self.store.join(worker(number), LEASE, at(seconds)).await.unwrap();
        worker(number)
    }

    /// Starts run `number`, queued and due `seconds` after the beginning.
    pub async fn queued(&self, number: u16, seconds: i64) -> RunId {
        let new = self.new_run(number, None, seconds).await;
        assert_eq!(self.store.start(new).await.unwrap(), Started::Created);
        run_id(number)
    }

    /// Starts run `number` in the hands of `owner`.
    pub async fn owned(&self, number: u16, owner: WorkerId, seconds: i64) -> Pen {
        let new = self.new_run(number, Some(owner), seconds).await;
        let head = new.first.head();
        assert_eq!(self.store.start(new).await.unwrap(), Started::Created);
        Pen { run: run_id(number), epoch: 1, owner, head, now: at(seconds) }
    }

    pub async fn new_run(&self, number: u16, owner: Option<WorkerId>, seconds: i64) -> NewRun {
        let bundle = self.bundle().await;
        let run = run_id(number);
        let input = Value::map([("number", Value::Int(i64::from(number)))]);
        let event = Event::RunStarted {
            bundle,
            workflow: "lead".into(),
            stages: vec!["main".into()],
            input: Held::Value(input.clone()),
            about: Value::Null,
            project: "".into(),
            by: None,
            acts_for: None,
            parent: None,
            fork: None,
        };
        NewRun {
            run,
            tenant: "acme".into(),
            workflow: "lead".into(),
            bundle,
            start_key: None,
            input: input.digest(),
            about: BTreeMap::from([("number".into(), number.to_string())]),
            first: Entry::seal(run, Head::START, u64::from(owner.is_some()), at(seconds), [9; 16], &event),
            blobs: Vec::new(),
            owner,
            parent: None,
            inherited: None,
            key: key(number),
            now: at(seconds),
        }
    }

    pub async fn row(&self, run: RunId) -> RunRow {
        self.store.run(run).await.unwrap().expect("the case started it")
    }

    pub async fn claim(&self, worker: WorkerId, limit: u32, seconds: i64) -> Vec<Claimed> {
        self.store.claim(worker, limit, at(seconds)).await.unwrap()
    }

    /// Claims exactly one run.
    pub async fn claim_one(&self, worker: WorkerId, seconds: i64) -> Pen {
        let claimed = self.claim(worker, 1, seconds).await;
        let [claimed] = &claimed[..] else { panic!("one run is due, got {claimed:?}") };
        Pen::of(claimed, worker, seconds)
    }

    pub async fn append(&self, append: Append) -> Appended {
        self.store.append(append).await.unwrap()
    }

    /// Appends what must be taken.
    pub async fn write(&self, append: Append, pen: &mut Pen) {
        let head = append.entries.last().map_or(pen.head, Entry::head);
        let done = self.append(append).await;
        assert!(matches!(done, Appended::Done { .. }), "{done:?}");
        pen.head = head;
    }

    pub async fn post(&self, run: RunId, id: &str, kind: &str, seconds: i64) -> Posted {
        self.store.post(run, message(id, kind, seconds), false).await.unwrap()
    }

    /// Everything that hangs on a run, to see that nothing was written.
    pub async fn snapshot(&self, run: RunId) -> impl PartialEq + std::fmt::Debug + use<> {
        let journal = self.store.journal(run, 0, 1000).await.unwrap();
        let approvals =
            self.store.approvals(ApprovalQuery { all_states: true, ..ApprovalQuery::default() }).await.unwrap();
        let (open, sums) = (
            self.store.open_actions(store::ActionQuery::default()).await.unwrap(),
            self.store.budgets().await.unwrap(),
        );
        (self.store.run(run).await.unwrap(), journal, self.store.inbox(run, 0).await.unwrap(), approvals, open, sums)
    }

    /// Every case ends with a store in which all is well.
    pub async fn sound(&self) {
        assert_eq!(self.store.check().await.unwrap(), []);
    }
}

/// The hand of a worker that owns a run.
#[derive(Clone, Copy, Debug)]
pub struct Pen {
    pub run: RunId,
    pub epoch: u64,
    pub owner: WorkerId,
    pub head: Head,
    pub now: Timestamp,
}

impl Pen {
    pub fn of(claimed: &Claimed, owner: WorkerId, seconds: i64) -> Pen {
        Pen { run: claimed.run, epoch: claimed.epoch, owner, head: claimed.head, now: at(seconds) }
    }

    pub fn at(mut self, seconds: i64) -> Pen {
        self.now = at(seconds);
        self
    }

    /// An append of these events and guards.
    pub fn append(&self, events: &[Event], guards: Vec<Guard>) -> Append {
        let mut head = self.head;
        let mut seal = |event| {
            let entry = Entry::seal(self.run, head, self.epoch, self.now, [9; 16], event);
            head = entry.head();
            entry
        };
        Append {
            run: self.run,
            expect: Expect { epoch: self.epoch, owner: self.owner, head: self.head.seq },
            entries: events.iter().map(&mut seal).collect(),
            blobs: Vec::new(),
            guards,
            progress: false,
            doing: None,
            inbox_read: None,
            charged: Some(0),
            now: self.now,
        }
    }

    pub fn wait(&self, until: Option<i64>) -> Append {
        let waits_for = "signal approve".into();
        self.append(&[], vec![Guard::Suspend { status: Status::Waiting, waits_for, wake_at: until.map(at) }])
    }

    pub fn finish(&self, status: Status) -> Append {
        let end = match status {
            Status::Failed => End::Failed,
            Status::Cancelled => End::Cancelled,
            _ => End::Completed,
        };
        let failure = (status == Status::Failed).then(|| "internal".into());
        let event = Event::RunFinished { end, result: None, failure: None };
        self.append(&[event], vec![Guard::Finish { status, failure }])
    }

    pub fn start_action(&self, step: &str) -> Append {
        let path = StepPath::new(step);
        let key = IdempotencyKey::derive(self.run, &path, 0);
        let guard = Guard::ActionOpen(OpenAction {
            step: step.into(),
            action: "crm.save".into(),
            effect: "idempotent".into(),
            key: key.as_str().into(),
            attempt: 1,
            since: self.now,
        });
        let event = Event::ActionStarted {
            step: path,
            attempt: 1,
            proposal: Proposal {
                tool: "crm".into(),
                operation: "save".into(),
                effect: Effect::Idempotent,
                with: Held::Value(Value::Null),
            },
            verdict: Verdict::Allow { rule: "built-in".into(), policy: Digest::ZERO, by: Vec::new() },
            key,
            grounds: None,
        };
        self.append(&[event], vec![guard])
    }

    pub fn resend_action(&self, step: &str, attempt: u32) -> Append {
        let event = Event::ActionResent { step: StepPath::new(step), attempt, generation: None, reserved: None };
        self.append(&[event], vec![Guard::ActionResent { step: step.into(), attempt }])
    }

    pub fn finish_action(&self, step: &str, attempt: u32) -> Append {
        let result = StepResult::Done(Held::Value(Value::Bool(true)));
        let event = Event::ActionFinished {
            step: StepPath::new(step),
            attempt,
            result,
            raw: None,
            spent: None,
            proof: None,
            undo: None,
        };
        self.append(&[event], vec![Guard::ActionClosed { step: step.into() }])
    }
}

pub fn step_done(step: &str) -> Event {
    Event::StepDone { step: StepPath::new(step), output: Held::Value(Value::text("done")) }
}

pub fn blob_step(step: &str, blob: &Blob) -> Event {
    Event::StepDone { step: StepPath::new(step), output: Held::Blob(blob.reference()) }
}

pub fn message(id: &str, kind: &str, seconds: i64) -> Message {
    Message {
        seq: 0,
        id: id.into(),
        kind: kind.into(),
        name: if kind == "signal" { "approve".into() } else { "".into() },
        sender: "ada".into(),
        body: (*b"{\"yes\":true}").into(),
        at: at(seconds),
    }
}
