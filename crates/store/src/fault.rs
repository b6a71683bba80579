//! Switches for harnesses, behind the feature `faults`: points where a process ends or an error is made, and *mutants*, known bugs
//! that a harness must catch. Without the feature all of it compiles to nothing.
//!
//! - `SUREFOOT_FAULT=name:nth:kind` arms a point, and several with commas between them: the `nth` time (from 1) it is reached, the
//!   process is killed at once (`kill`), ends with code 75 (`exit`), the point reports an input/output error (`eio`), the thread
//!   stands still for a moment before the process is killed (`stall`), so that whatever was told too early is heard, or the whole
//!   process is stopped until somebody lets it go on (`stop`). At `full` the disk is full that time and the next ones.
//! - `SUREFOOT_MUTANT=name,name` switches mutants on.

/// The points of the store. Those that end in one of [`KINDS`] are reached when the transaction holds an append of that kind.
pub const POINTS: [&str; 4] = ["after_begin", "before_commit", "after_commit_before_reply", "before_checkpoint"];

/// What an append may hold, as `before_commit_of_…` and `after_commit_of_…` say it: an action begins or is sent again, it is closed,
/// its outcome is unknown, or it uses up its approval. `undo_…`: it takes another one back.
pub const KINDS: [&str; 6] = ["intent", "outcome", "doubt", "consumption", "undo_intent", "undo_outcome"];

/// The mutants of the store.
pub const MUTANTS: [&str; 10] = [
    "ack_before_commit",
    "sync_normal",
    "no_epoch_cas",
    "reap_without_epoch",
    "suspend_without_inbox_gen",
    "no_strike",
    "terminal_overwritten",
    "budget_without_reservation",
    "reservation_released_on_crash",
    "identity_ordered_cursor",
];

/// Mutants of the store that its own suite must catch: from outside they look like a decision.
pub const SUITE_MUTANTS: [&str; 4] =
    ["governance_unchecked", "reserve_above_limit", "consume_twice", "vote_on_stale_card"];

/// Exit code of a point armed with `exit`.
pub const EXIT: i32 = 75;

/// How long a point armed with `stall` stands still.
#[cfg(feature = "faults")]
const STALL: std::time::Duration = std::time::Duration::from_millis(100);

/// How often a point armed with `full` finds no room.
#[cfg(feature = "faults")]
const FULL: u64 = 6;

#[cfg(feature = "faults")]
mod switches {
    use std::{
        collections::BTreeSet,
        sync::{
            Arc, LazyLock,
            atomic::{AtomicU64, Ordering},
        },
    };

    /// The environment, read once per process.
    static ENVIRONMENT: LazyLock<(Mutants, Points)> = LazyLock::new(|| {
        #[expect(clippy::disallowed_methods, reason = "a harness switches a child process; this is no setting")]
        let read = |name| std::env::var(name).unwrap_or_default();
        (Mutants::parse(&read("SUREFOOT_MUTANT")), Points::parse(&read("SUREFOOT_FAULT")))
    });

    /// Whether the mutant is switched on for this process.
    pub fn mutant(name: &str) -> bool {
        ENVIRONMENT.0.on(name)
    }

    /// A point is reached: ends or stops the process, or gives true (make an input/output error), when it is armed for this time.
    pub fn reach(name: &str) -> bool {
        ENVIRONMENT.1.reach(name)
    }

    /// Mutants of one store, so that tests of one process can differ.
    #[derive(Clone, Debug)]
    pub struct Mutants(Arc<BTreeSet<String>>);

    impl Mutants {
        /// Only these.
        pub fn only(names: &[&str]) -> Mutants {
            Mutants(Arc::new(names.iter().map(|name| (*name).to_owned()).collect()))
        }

        fn parse(text: &str) -> Mutants {
            Mutants::only(&text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect::<Vec<_>>())
        }

        /// Whether this one is on.
        pub fn on(&self, name: &str) -> bool {
            self.0.contains(name)
        }
    }

    impl Default for Mutants {
        fn default() -> Self {
            ENVIRONMENT.0.clone()
        }
    }

    /// Points of one store.
    #[derive(Clone, Debug)]
    pub struct Points(Arc<[Armed]>);

    #[derive(Debug)]
    struct Armed {
        name: String,
        nth: u64,
        kind: Kind,
        reached: AtomicU64,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Kind {
        Kill,
        Exit,
        Eio,
        Stall,
        Stop,
        Full,
    }

    impl Armed {
        fn parse(text: &str) -> Option<Armed> {
            let mut parts = text.split(':');
            let (name, nth) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
            let kind = match parts.next()? {
                "kill" => Kind::Kill,
                "exit" => Kind::Exit,
                "eio" => Kind::Eio,
                "stall" => Kind::Stall,
                "stop" => Kind::Stop,
                "full" => Kind::Full,
                _ => return None,
            };
            Some(Armed { name, nth, kind, reached: AtomicU64::new(0) })
        }
    }

    impl Points {
        /// None.
        pub fn none() -> Points {
            Points(Arc::new([]))
        }

        /// As in `SUREFOOT_FAULT`; what cannot be read arms nothing and says so.
        pub fn parse(text: &str) -> Points {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            let armed: Option<Arc<[Armed]>> = words.map(Armed::parse).collect();
            armed.map_or_else(
                || {
                    tracing::warn!(
                        text,
                        "SUREFOOT_FAULT is not name:nth:kill|exit|eio|stall|stop|full and arms nothing"
                    );
                    Points::none()
                },
                Points,
            )
        }

        /// See [`reach`].
        pub fn reach(&self, name: &str) -> bool {
            let mut error = false;
            for armed in self.0.iter().filter(|armed| armed.name == name && armed.kind != Kind::Full) {
                if armed.reached.fetch_add(1, Ordering::Relaxed) + 1 != armed.nth {
                    continue;
                }
                match armed.kind {
                    Kind::Kill => std::process::abort(),
                    Kind::Exit => std::process::exit(super::EXIT),
                    Kind::Eio | Kind::Full => error = true,
                    Kind::Stall => {
                        #[expect(clippy::disallowed_methods, reason = "a harness asks for this pause before a death")]
                        std::thread::sleep(super::STALL);
                        std::process::abort()
                    }
                    Kind::Stop => {
                        let own = std::process::id().to_string();
                        // Without `kill` nothing stops, and the harness says that it waited in vain.
                        let _ = std::process::Command::new("kill").args(["-STOP", &own]).status();
                    }
                }
            }
            error
        }

        /// Whether the disk is full at this point, this time.
        pub fn full(&self, name: &str) -> bool {
            let here = self.0.iter().filter(|armed| armed.name == name && armed.kind == Kind::Full);
            here.fold(false, |full, armed| {
                let time = armed.reached.fetch_add(1, Ordering::Relaxed) + 1;
                full | (armed.nth..armed.nth + super::FULL).contains(&time)
            })
        }
    }

    impl Default for Points {
        fn default() -> Self {
            ENVIRONMENT.1.clone()
        }
    }
}

#[cfg(not(feature = "faults"))]
mod switches {
    /// Whether the mutant is switched on for this process: never, without the feature `faults`.
    #[inline(always)]
    pub fn mutant(_name: &str) -> bool {
        false
    }

    /// A point is reached: nothing happens without the feature `faults`.
    #[inline(always)]
    pub fn reach(_name: &str) -> bool {
        false
    }

    /// Mutants of one store: none without the feature `faults`.
    #[derive(Clone, Debug, Default)]
    pub struct Mutants(());

    impl Mutants {
        /// Whether this one is on: never.
        #[inline(always)]
        pub fn on(&self, _name: &str) -> bool {
            false
        }
    }

    /// Points of one store: none without the feature `faults`.
    #[derive(Clone, Debug, Default)]
    pub struct Points(());

    impl Points {
        /// See [`reach`].
        #[inline(always)]
        pub fn reach(&self, _name: &str) -> bool {
            false
        }

        /// Whether the disk is full at this point: not by our doing.
        #[inline(always)]
        pub fn full(&self, _name: &str) -> bool {
            false
        }
    }
}

pub use switches::{Mutants, Points, mutant, reach};

#[cfg(all(test, feature = "faults"))]
mod tests {
    use super::*;

    #[test]
    fn a_point_fires_once_at_its_time() {
        let points = Points::parse("before_commit:2:eio");
        assert!(!points.reach("after_begin"));
        let fired: Vec<_> = (0..4).map(|_| points.reach("before_commit")).collect();
        assert_eq!(fired, [false, true, false, false]);
        assert!(!Points::parse("before_commit:soon:eio").reach("before_commit"));
    }

    #[test]
    fn two_points_count_for_themselves_and_a_disk_is_full_for_a_while() {
        let points = Points::parse("before_commit:1:eio, before_commit_of_outcome:2:full");
        assert!(points.reach("before_commit") && !points.reach("before_commit_of_outcome"));
        let full = (0..10).filter(|_| points.full("before_commit_of_outcome")).count();
        assert_eq!((full as u64, points.full("before_commit")), (FULL, false));
    }

    #[test]
    fn mutants_belong_to_one_store() {
        assert!(Mutants::only(&["no_strike"]).on("no_strike"));
        assert!(!Mutants::only(&["no_strike"]).on("no_epoch_cas"));
        assert!(!mutant("no_strike"));
    }
}
