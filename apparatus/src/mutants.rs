//! A harness counts only if it catches known mistakes. Each is switched on once, in the same build; the harness must find a broken
//! promise, and without any switch it must find none.

use std::path::Path;

use serde::Serialize;

use crate::{
    kill::{self, kill},
    spend,
    victim::{self, Trouble},
};

mod asked;
mod inside;
mod outside;
mod redirect;

pub(crate) use inside::{embed, open};
pub(crate) use outside::{Stage, first};

/// `apparatus mutants`
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Cycles of the kill loop for each mutant that it must catch, and for its control.
    #[arg(long, default_value_t = 40)]
    pub cycles: u32,
    /// Runs in a batch of the kill loop.
    #[arg(long, default_value_t = 24)]
    pub runs: u64,
    /// What everything random is derived from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Only this one, or `control`.
    #[arg(long)]
    pub only: Option<String>,
}

/// Which scenario must catch a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// The kill loop.
    Kills,
    /// The process stands still before a COMMIT and is killed there: what was answered or sent by then was too early.
    Stall,
    /// Calls of fsync are counted by a tracer: at least one for each commit.
    Syncs,
    /// A signal races with the suspend of the run that waits for it, hundreds of times.
    Race,
    /// A run that ends every process which drives it is quarantined after three, and no other is.
    Poison,
    /// A worker that was declared dead appends.
    Zombie,
    /// A worker whose heartbeat starves gets an answer after the end of its lease.
    Starved,
    /// The receiver applies, drops the connection, and rejects the next sending.
    Rejected,
    /// Two actions of one name must each be approved, and each approval is used up.
    Asked,
    /// Two hundred calls are wanted, there is room for ten, and the process is killed.
    Spend,
    /// Journals grow while their heads are sealed: every head is in a seal in the end.
    Sealed,
    /// A page redirects to an address of this machine.
    Redirect,
}

/// Every known mistake of the store, the runtime and the gateway, and the scenario that must catch it.
pub const TABLE: [(&str, Scenario); 24] = [
    ("key_per_attempt", Scenario::Kills),
    ("intent_after_act", Scenario::Stall),
    ("resend_recorded", Scenario::Kills),
    ("reap_without_epoch", Scenario::Kills),
    ("timer_backward", Scenario::Kills),
    ("forget_pending_on_suspend", Scenario::Kills),
    ("ack_before_commit", Scenario::Stall),
    ("sync_normal", Scenario::Syncs),
    ("suspend_without_inbox_gen", Scenario::Race),
    ("lose_signal", Scenario::Race),
    ("no_strike", Scenario::Poison),
    ("no_epoch_cas", Scenario::Zombie),
    ("no_self_fence", Scenario::Starved),
    ("failed_recorded_though_resent", Scenario::Rejected),
    ("unsafe_retried", Scenario::Kills),
    ("probe_at_once", Scenario::Kills),
    ("terminal_overwritten", Scenario::Kills),
    ("undo_left_out", Scenario::Kills),
    ("approval_by_name", Scenario::Asked),
    ("approval_not_consumed", Scenario::Asked),
    ("budget_without_reservation", Scenario::Spend),
    ("reservation_released_on_crash", Scenario::Spend),
    ("identity_ordered_cursor", Scenario::Sealed),
    ("redirect_not_revalidated", Scenario::Redirect),
];

/// One line: a mistake, or the control of a scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Which; `control` for none.
    pub mutant: String,
    /// Whether something was found.
    pub caught: bool,
    /// Which scenario, and what it found.
    pub by: String,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl Scenario {
    /// Every one.
    pub const ALL: [Scenario; 12] = [
        Scenario::Kills,
        Scenario::Stall,
        Scenario::Syncs,
        Scenario::Race,
        Scenario::Poison,
        Scenario::Zombie,
        Scenario::Starved,
        Scenario::Rejected,
        Scenario::Asked,
        Scenario::Spend,
        Scenario::Sealed,
        Scenario::Redirect,
    ];

    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Kills => "kills",
            Scenario::Stall => "stall before commit",
            Scenario::Syncs => "fsyncs counted",
            Scenario::Race => "signal race",
            Scenario::Poison => "poisoned run",
            Scenario::Zombie => "zombie",
            Scenario::Starved => "starved heartbeat",
            Scenario::Rejected => "rejection after a loss",
            Scenario::Asked => "two approvals",
            Scenario::Spend => "room for ten",
            Scenario::Sealed => "sealed heads",
            Scenario::Redirect => "redirect to this machine",
        }
    }

    /// Plays it; gives what is wrong, if something is.
    ///
    /// # Errors
    /// The apparatus itself fails.
    pub async fn play(
        self,
        program: &Path,
        arguments: &Arguments,
        mutant: Option<&'static str>,
    ) -> Result<Option<String>, Trouble> {
        match self {
            Scenario::Kills => kills(program, arguments, mutant).await,
            Scenario::Stall => outside::stall(program, arguments.seed, mutant).await,
            Scenario::Syncs => outside::syncs(program, arguments.seed, mutant).await,
            Scenario::Poison => outside::poison(program, arguments.seed, mutant).await,
            Scenario::Rejected => outside::rejected(program, arguments.seed, mutant).await,
            Scenario::Race => inside::race(arguments.seed, mutant).await,
            Scenario::Asked => asked::asked(mutant).await,
            Scenario::Zombie => inside::zombie(mutant).await,
            Scenario::Starved => inside::starved(mutant).await,
            Scenario::Sealed => inside::sealed(mutant).await,
            Scenario::Redirect => redirect::redirect(mutant).await,
            Scenario::Spend => {
                let settings = spend::Arguments { runs: 200, limit: 10, times: 4, commits: 0, seed: arguments.seed };
                let rounds = spend::spend(program, &settings, mutant, &mut |_| Ok(())).await?;
                Ok(rounds.into_iter().find_map(|round| round.wrong.map(|wrong| format!("{}: {wrong}", round.round))))
            }
        }
    }
}

/// With how many seeds the kill loop is played before a mistake counts as missed. On a busy machine a loop sees little of each life.
const SEEDS: u64 = 3;

/// The kill loop, until it finds something: without a mistake once, with one with a few seeds.
async fn kills(program: &Path, arguments: &Arguments, mutant: Option<&'static str>) -> Result<Option<String>, Trouble> {
    for more in 0..if mutant.is_some() { SEEDS } else { 1 } {
        let settings = kill::Arguments {
            cycles: arguments.cycles,
            runs: arguments.runs,
            mix: Some("40,30,15,15".parse()?),
            seed: arguments.seed + more,
            mutant: mutant.map(str::to_owned),
            out: None,
            stop_at_first: true,
            patience: 20,
            latest_ms: 1_000,
        };
        let mut found = None;
        let mut keep = |cycle: &kill::Cycle| {
            found = found.take().or_else(|| {
                let first = cycle.violations.first()?;
                Some(format!("cycle {}: {}: {}", cycle.cycle, first.rule, first.detail))
            });
            Ok(())
        };
        kill(program, &settings, &mut keep).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Plays every scenario without a mistake, then with each of its own.
///
/// # Errors
/// The apparatus fails, a mistake was not caught, or a control found something.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    let program = std::env::current_exe()?;
    let controls = Scenario::ALL.into_iter().map(|scenario| (None, scenario));
    let mutants = TABLE.into_iter().map(|(mutant, scenario)| (Some(mutant), scenario));
    let (mut wrong, mut caught, mut played) = (Vec::new(), 0, 0);
    for (mutant, scenario) in controls.chain(mutants) {
        let name = mutant.unwrap_or("control");
        if arguments.only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let begun = std::time::Instant::now();
        let found = scenario.play(&program, &arguments, mutant).await?;
        let outcome = Outcome {
            mutant: name.to_owned(),
            caught: found.is_some(),
            by: match &found {
                Some(found) => format!("{}: {found}", scenario.name()),
                None => scenario.name().to_owned(),
            },
            seconds: (begun.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        };
        victim::say(&outcome)?;
        if outcome.caught != mutant.is_some() {
            wrong.push(format!("{name} ({})", scenario.name()));
        }
        if mutant.is_some() {
            played += 1;
            caught += u32::from(outcome.caught);
        }
    }
    let summary = serde_json::json!({"mutants": played, "caught": caught, "wrong": wrong});
    victim::say(&serde_json::json!({ "summary": summary }))?;
    if wrong.is_empty() { Ok(()) } else { Err(format!("not as it must be: {}", wrong.join(", ")).into()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_known_mistake_has_a_scenario() {
        let known: BTreeSet<_> =
            store::fault::MUTANTS.into_iter().chain(runtime::MUTANTS).chain(gateway::MUTANTS).collect();
        let table: BTreeSet<_> = TABLE.into_iter().map(|(mutant, _)| mutant).collect();
        assert_eq!(known, table);
        assert!(TABLE.into_iter().all(|(_, scenario)| Scenario::ALL.contains(&scenario)));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_action_has_an_approval_of_its_own() {
        assert_eq!(asked::asked(None).await.unwrap(), None);
        for mutant in ["approval_by_name", "approval_not_consumed"] {
            assert!(asked::asked(Some(mutant)).await.unwrap().is_some(), "{mutant}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_head_is_sealed_and_no_redirect_leads_inside() {
        assert_eq!(inside::sealed(None).await.unwrap(), None);
        assert!(inside::sealed(Some("identity_ordered_cursor")).await.unwrap().is_some());
        assert_eq!(redirect::redirect(None).await.unwrap(), None);
        assert!(redirect::redirect(Some("redirect_not_revalidated")).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_dead_worker_cannot_append() {
        assert_eq!(inside::zombie(None).await.unwrap(), None);
        assert!(inside::zombie(Some("no_epoch_cas")).await.unwrap().is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_answer_after_the_lease_moves_nothing() {
        assert_eq!(inside::starved(None).await.unwrap(), None);
        assert!(inside::starved(Some("no_self_fence")).await.unwrap().is_some());
    }
}
