//! Two hundred calls at once, and room for ten: nothing is spent twice, whatever dies in between.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use serde::Serialize;

use crate::{
    kill::Dice,
    ledger::Mode,
    ledgerd::Setting,
    life::{Ended, Life, Outside},
    oracle::{Books, Oracle, Snapshot},
    victim::{self, Trouble},
};

pub mod spender;

/// `apparatus spend`
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Calls that are wanted, each by a run of its own.
    #[arg(long, default_value_t = 200)]
    pub runs: u64,
    /// Calls that there is room for.
    #[arg(long, default_value_t = 10)]
    pub limit: u64,
    /// Directories in which one process after the other is killed at random moments.
    #[arg(long, default_value_t = 20)]
    pub times: u32,
    /// Commits after which the process is killed, one directory each; then the sums are as that commit left them.
    #[arg(long, default_value_t = 40)]
    pub commits: u32,
    /// What everything random is derived from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// What one directory came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Round {
    /// `commit 7`, `deaths at random`.
    pub round: String,
    /// Processes that were killed.
    pub deaths: u32,
    /// Calls that reached a receiver: requests of models, and actions of tools however often they were sent to learn their outcome.
    pub calls: usize,
    /// … beyond the limit.
    pub overspend: usize,
    /// What the journals say at the end.
    pub books: Books,
    /// What is wrong, if something is.
    pub wrong: Option<String>,
}

/// Most lives of a directory that are killed.
const DEATHS: u32 = 5;

struct Room<'a> {
    program: &'a Path,
    arguments: &'a Arguments,
    mutant: Option<&'static str>,
    folder: tempfile::TempDir,
    outside: Outside,
    batch: u64,
}

impl Room<'_> {
    fn life(&self, life: u32) -> Life {
        let data = self.folder.path().join(format!("data-{}", self.batch));
        let Arguments { runs, seed, limit, .. } = *self.arguments;
        let mut one = Life::of(self.program, &self.outside, &data, (self.batch, life), runs, seed);
        one.instrument = Some("spender");
        one = one.with("--limit", limit);
        match self.mutant {
            Some(mutant) => one.variable("SUREFOOT_MUTANT", mutant),
            None => one,
        }
    }

    /// Looks at what a dead process left.
    async fn judge(&mut self, life: u32, ended: &Ended, oracle: &mut Oracle, round: &mut Round) -> Result<(), Trouble> {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let data = self.folder.path().join(format!("data-{}", self.batch));
        let snapshot = Snapshot::of_directory(&data, &self.folder.path().join("copy")).await?;
        self.outside.follow()?;
        let prefix = format!("b{}-l", self.batch);
        let ours = |line: &&crate::ledger::Line| line.sender.as_deref().is_some_and(|of| of.starts_with(&prefix));
        let all: Vec<_> = self.outside.ledger.lines.iter().filter(ours).collect();
        let keys: BTreeSet<_> = all.iter().filter(|line| line.effect().is_some()).map(|line| &line.key).collect();
        round.calls = keys.len() + all.iter().filter(|line| line.is_ask()).count();
        round.overspend = round.calls.saturating_sub(usize::try_from(self.arguments.limit).unwrap_or(usize::MAX));
        if round.overspend > 0 && round.wrong.is_none() {
            let (calls, limit) = (round.calls, self.arguments.limit);
            round.wrong = Some(format!("{calls} calls were made, and there was room for {limit}"));
        }
        let of = Oracle::sender(self.batch, life);
        let new: Vec<_> = all.into_iter().filter(|line| line.sender.as_deref() == Some(&*of)).collect();
        let judged = oracle.judge(life, &ended.said, &snapshot, (&self.outside.ledger, &new), false);
        round.books = judged.books.clone();
        let first = judged.violations.first().map(|found| format!("{}: {}", found.rule, found.detail));
        round.wrong = round.wrong.take().or(first);
        let overrun = snapshot.budgets.iter().find(|row| row.overrun > 0 || row.frozen);
        if let (Some(row), None) = (overrun, &round.wrong) {
            round.wrong = Some(format!("{} {} is overrun by {}", row.scope, row.unit, row.overrun));
        }
        Ok(())
    }

    /// One directory: lives with these ends, and then one that nobody disturbs.
    async fn round(&mut self, name: String, ends: Vec<End>) -> Result<Round, Trouble> {
        self.batch += 1;
        let mut oracle = Oracle::new(self.batch, BTreeMap::new());
        let mut round = Round { round: name, ..Round::default() };
        let mut life = 0;
        for end in ends.into_iter().map(Some).chain([None]) {
            life += 1;
            let mut one = self.life(life);
            let last = end.is_none();
            match end {
                Some(End::After(after)) => one.kill_after = Some(after),
                Some(End::Commit(nth)) => {
                    one = one.variable("SUREFOOT_FAULT", &format!("after_commit_before_reply:{nth}:kill"));
                }
                None => {}
            }
            let ended = one.live().await?;
            let well = ended.idle() || ended.over();
            round.deaths += u32::from(!well);
            self.judge(life, &ended, &mut oracle, &mut round).await?;
            if last && !well && round.wrong.is_none() {
                round.wrong = Some(format!("the last process did not come to its end: {}", ended.last_words()));
            }
            if round.wrong.is_some() || well {
                break;
            }
        }
        let limit = i64::try_from(self.arguments.limit).unwrap_or(i64::MAX);
        if round.wrong.is_none() && round.books.spent_calls != limit {
            round.wrong = Some(format!("{} of {limit} calls are spent at the end", round.books.spent_calls));
        }
        let _ = std::fs::remove_dir_all(self.folder.path().join(format!("data-{}", self.batch)));
        Ok(round)
    }
}

enum End {
    After(Duration),
    Commit(u32),
}

/// All rounds; ends at the first in which something is wrong.
///
/// # Errors
/// The apparatus fails. What is wrong stands in the rounds.
pub async fn spend(
    program: &Path,
    arguments: &Arguments,
    mutant: Option<&'static str>,
    say: &mut (dyn FnMut(&Round) -> std::io::Result<()> + Send),
) -> Result<Vec<Round>, Trouble> {
    let folder = tempfile::tempdir()?;
    let outside = Outside::start(program, &folder.path().join("ledger")).await?;
    // Answers take their time, so that a death finds calls on their way.
    for kind in ["note", "ask"] {
        let slow = Setting { kind: kind.to_owned(), mode: Some(Mode::Slow), ms: Some(120), ..Setting::default() };
        outside.modes().set(&slow).await?;
    }
    let mut room = Room { program, arguments, mutant, folder, outside, batch: 0 };
    let (mut dice, mut rounds) = (Dice::new(arguments.seed), Vec::new());
    let random = (0..arguments.times).map(|_| {
        let deaths = 1 + dice.below(u64::from(DEATHS));
        let ends = (0..deaths).map(|_| End::After(Duration::from_micros((dice.log_uniform(20.0, 400.0) * 1e3) as u64)));
        ("deaths at random".to_owned(), ends.collect())
    });
    let random: Vec<(String, Vec<End>)> = random.collect();
    let every = (1..=arguments.commits).map(|nth| (format!("commit {nth}"), vec![End::Commit(nth)]));
    for (name, ends) in random.into_iter().chain(every) {
        let round = room.round(name, ends).await?;
        say(&round)?;
        let bad = round.wrong.is_some();
        rounds.push(round);
        if bad {
            break;
        }
    }
    Ok(rounds)
}

/// All rounds with their lines on the standard output.
///
/// # Errors
/// The apparatus fails, or something was wrong.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    let program = std::env::current_exe()?;
    let rounds = spend(&program, &arguments, None, &mut |round| victim::say(round)).await?;
    let sum = |of: fn(&Round) -> usize| rounds.iter().map(of).sum::<usize>();
    let wrong: Vec<&str> = rounds.iter().filter_map(|round| round.wrong.as_deref()).collect();
    let summary = serde_json::json!({
        "rounds": rounds.len(),
        "deaths": rounds.iter().map(|round| round.deaths).sum::<u32>(),
        "wanted": arguments.runs,
        "limit": arguments.limit,
        "calls": sum(|round| round.calls),
        "overspend": sum(|round| round.overspend),
        "forfeited": sum(|round| round.books.forfeited),
        "forfeited_calls": rounds.iter().map(|round| round.books.forfeited_calls).sum::<i64>(),
        "wrong": wrong,
    });
    victim::say(&serde_json::json!({ "summary": summary }))?;
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ").into()) }
}
