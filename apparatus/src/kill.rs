//! The kill loop: a process is killed at random moments, started again, and judged from outside after every death.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::{
    ledger::Mode,
    ledgerd::{Chances, Plan, Setting},
    life::{Life, Modes, Outside},
    mixed::{self, Mix},
    oracle::{Books, Judgement, Oracle, Snapshot, Violation},
    resolver,
    victim::{self, Said, Trouble},
};

/// `apparatus kill`
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// How often the process is killed.
    #[arg(long, default_value_t = 500)]
    pub cycles: u32,
    /// Runs in a batch; when all are over, the next batch begins in a new directory.
    #[arg(long, default_value_t = 40)]
    pub runs: u64,
    /// Of a hundred actions of the runs of `deeds`: how many are read, idempotent, probed and at most once. Without it there are
    /// no such runs.
    #[arg(long)]
    pub mix: Option<Mix>,
    /// What everything random is derived from, the moments of death included.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A known mistake to switch on in the process that is killed.
    #[arg(long)]
    pub mutant: Option<String>,
    /// Write the lines there as well.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// End at the first violation.
    #[arg(long)]
    pub stop_at_first: bool,
    /// How long the last batch may take to its end, in seconds, when nobody kills it any more.
    #[arg(long, default_value_t = 60)]
    pub patience: u64,
    /// The latest moment of death after `ready`, in milliseconds.
    #[arg(long, default_value_t = 1_500)]
    pub latest_ms: u64,
}

/// How old a `probed` effect is before its receiver finds it, in milliseconds: who asks too early is told that it never happened.
const LAG_MS: u64 = 250;

/// What a dead process had sent has reached the receiver after this.
const UNDER_WAY: Duration = Duration::from_millis(60);

/// One line a cycle.
#[derive(Clone, Debug, Serialize)]
pub struct Cycle {
    /// From 1.
    pub cycle: u32,
    /// Which batch.
    pub batch: u64,
    /// Which life of the batch.
    pub life: u32,
    /// When it was killed, after `ready`; `null` if it came to its end before.
    pub killed_at_ms: Option<u64>,
    /// Runs of the batch that are not over.
    pub runs_open: usize,
    /// Runs of the batch that are over.
    pub runs_done: usize,
    /// Entries of their journals.
    pub entries: usize,
    /// Requests for effects beyond the first of their action, in this batch.
    pub resent: usize,
    /// Actions of the batch whose outcome is unknown: which, and how often each was sent.
    pub unknown: Vec<String>,
    /// What was set aside and spent, as the journals have it.
    pub books: Books,
    /// Acknowledged or durable things that are gone.
    pub lost: usize,
    /// Recorded things that were done again.
    pub done_again: usize,
    /// Effects that happened twice.
    pub duplicates: usize,
    /// Everything that is wrong.
    pub violations: Vec<Violation>,
}

/// The last line.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Deaths and ends.
    pub cycles: u32,
    /// Deaths.
    pub kills: u32,
    /// Batches that came to their end.
    pub batches: u64,
    /// Runs of them.
    pub runs: u64,
    /// Their entries.
    pub entries: usize,
    /// Lines of the ledger: effects, reads and model calls.
    pub requests: usize,
    /// Requests for effects beyond the first of their action.
    pub resent: usize,
    /// Actions by class.
    pub actions: BTreeMap<&'static str, usize>,
    /// Acts that were taken back, because their run failed when all was done.
    pub taken_back: usize,
    /// Unknown outcomes that only a person could tell, and of which the person said that it had been performed …
    pub resolved_performed: usize,
    /// … or not.
    pub resolved_not_performed: usize,
    /// Changes of the rules of today, holds and releases.
    pub governed: usize,
    /// Effects of `probed` actions that happened twice because a request was under way for longer than the promise allows.
    pub residual: Vec<String>,
    /// Sendings for which something was set aside, of all batches.
    pub reserved: usize,
    /// … of which nobody learned what they cost: all of it counts.
    pub forfeited: usize,
    /// Calls that are spent, in the sum of all runs.
    pub spent_calls: i64,
    /// Starts that were acknowledged.
    pub acked_starts: usize,
    /// Signals that were acknowledged.
    pub acked_signals: usize,
    /// Paused runs (`unknown_outcome`) that the operator resumed.
    pub resumed_paused: usize,
    /// Quarantined runs that the operator resumed.
    pub resumed_quarantined: usize,
    /// As in [`Cycle`].
    pub lost: usize,
    /// As in [`Cycle`].
    pub done_again: usize,
    /// As in [`Cycle`].
    pub duplicates: usize,
    /// Everything that is wrong.
    pub violations: usize,
    /// From the spawn of a process to an open store, in milliseconds: the median.
    pub ready_ms_p50: u64,
    /// … and the 99th of a hundred.
    pub ready_ms_p99: u64,
    /// How long all of it took, in seconds.
    pub seconds: u64,
    /// The first violation's rule.
    pub first: Option<&'static str>,
}

/// Randomness that repeats.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Derived from a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// From 0 to 1.
    pub fn part(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From `least` to `most`, each order of magnitude as likely.
    pub fn log_uniform(&mut self, least: f64, most: f64) -> f64 {
        (least.ln() + self.part() * (most.ln() - least.ln())).exp()
    }
}

impl Summary {
    /// Counts a batch of which nothing more is to come.
    fn add(&mut self, judged: &Judgement) {
        self.entries += judged.entries;
        self.resent += judged.resent;
        self.taken_back += judged.taken_back;
        self.reserved += judged.books.reserved;
        self.forfeited += judged.books.forfeited;
        self.spent_calls += judged.books.spent_calls;
        for (class, count) in &judged.actions {
            *self.actions.entry(class).or_default() += count;
        }
        self.residual.extend(judged.residual.iter().cloned());
    }
}

/// What the receiver does to actions of the classes that no mode is set for, again and again.
fn faults(seed: u64) -> Plan {
    use Mode::{DropAfter, DropBefore, FailAfter, FailBefore, HangAfter, Reject4xx, Slow, Truncated};

    let some = [(DropBefore, 0.05), (DropAfter, 0.06), (FailBefore, 0.05), (FailAfter, 0.05), (Slow, 0.1)];
    let more = [(Reject4xx, 0.05), (HangAfter, 0.02), (Truncated, 0.03)];
    let acts: Chances = some.into_iter().chain(more).collect();
    let probe = some.into_iter().collect();
    Plan { seed, ms: 60, probed: acts.clone(), at_most_once: acts, probe, ..Plan::default() }
}

/// Runs the loop; `say` gets every line.
///
/// # Errors
/// The apparatus itself fails. Violations are no errors here: they are in the summary.
pub async fn kill(
    program: &Path,
    arguments: &Arguments,
    say: &mut (dyn FnMut(&Cycle) -> std::io::Result<()> + Send),
) -> Result<Summary, Trouble> {
    let folder = tempfile::tempdir()?;
    let mut outside = Outside::start(program, &folder.path().join("ledger")).await?;
    let mut dice = Dice::new(arguments.seed);
    let (begun, mut summary, mut readies) = (Instant::now(), Summary::default(), Vec::new());
    let mut oracles: BTreeMap<u64, Oracle> = BTreeMap::new();
    let mut batch = 0;
    let mut open: Option<(u64, PathBuf, u32)> = None;
    let words = folder.path().join("words");
    let modes = outside.modes();
    modes.plan(&faults(arguments.seed)).await?;
    for kind in ["book", "unbook"] {
        modes.set(&Setting { kind: kind.to_owned(), lag_ms: Some(LAG_MS), ..Setting::default() }).await?;
    }
    // Whether everything in the batch is over or waits for a person: from then on a person answers before each life.
    let mut asked = false;
    let mut last: Option<Judgement> = None;
    loop {
        let finishing = summary.cycles >= arguments.cycles;
        if finishing && open.is_none() {
            break;
        }
        let (batch, data, life) = match open.take() {
            Some((batch, data, life)) => (batch, data, life + 1),
            None => {
                (batch, asked) = (batch + 1, false);
                let cases = mixed::cases(arguments.seed, batch, arguments.runs, arguments.mix);
                oracles.insert(batch, Oracle::new(batch, cases));
                (batch, folder.path().join(format!("data-{batch}")), 1)
            }
        };
        let after = dice.log_uniform(5.0, arguments.latest_ms.max(6) as f64);
        // Together less than a probe's delay: see `LONG_UNDER_WAY_US` of the oracle.
        let mut some_ms = || i64::try_from(dice.below(201)).unwrap_or_default() - 100;
        let (off_ms, step_ms) = (some_ms(), some_ms() * 2);
        let mut one = Life::of(program, &outside, &data, (batch, life), arguments.runs, arguments.seed);
        one = one.with("--off-ms", off_ms).with("--step-ms", step_ms).with("--step-after-ms", dice.below(500));
        if let Some(mix) = arguments.mix {
            one = one.with("--mix", mix).flag("--govern");
        }
        if asked {
            one = one.with("--words", words.display());
        }
        if let Some(mutant) = &arguments.mutant {
            one = one.variable("SUREFOOT_MUTANT", mutant);
        }
        one.kill_after = (!finishing).then(|| Duration::from_micros((after * 1_000.0) as u64));
        one.patience = finishing.then(|| Duration::from_secs(arguments.patience));
        let switching = tokio::spawn(switch(outside.modes(), Dice::new(dice.draw()), finishing));
        let ended = one.live().await?;
        switching.abort();
        summary.cycles += 1;
        summary.kills += u32::from(ended.killed);
        readies.extend(ended.ready_after.map(|after| after.as_millis() as u64));
        for said in &ended.said {
            match said {
                Said::Started { .. } => summary.acked_starts += 1,
                Said::Signalled { .. } => summary.acked_signals += 1,
                Said::Resumed { status, .. } if status == "paused" => summary.resumed_paused += 1,
                Said::Resumed { .. } => summary.resumed_quarantined += 1,
                Said::Resolved { performed: true, .. } => summary.resolved_performed += 1,
                Said::Resolved { .. } => summary.resolved_not_performed += 1,
                Said::Governed { .. } => summary.governed += 1,
                _ => {}
            }
        }
        let (over, idle) = (ended.over(), ended.idle());
        asked |= idle;
        if arguments.mix.is_some() {
            // What the dead process had sent has arrived by then.
            tokio::time::sleep(UNDER_WAY).await;
        }
        let copy = folder.path().join("copy");
        let snapshot = Snapshot::of_directory(&data, &copy).await?;
        let by_batch: BTreeMap<u64, Vec<usize>> = outside
            .follow()?
            .into_iter()
            .map(|(batch, lines)| (batch, lines.iter().map(|line| line.n as usize - 1).collect()))
            .collect();
        let mut violations = Vec::new();
        for (of, lines) in &by_batch {
            // Requests that a dead process of an earlier batch had already sent.
            if let (true, Some(oracle)) = (*of != batch, oracles.get_mut(of)) {
                let lines: Vec<_> = lines.iter().map(|at| &outside.ledger.lines[*at]).collect();
                violations.extend(oracle.late(&lines));
            }
        }
        let lines: Vec<_> = by_batch.get(&batch).into_iter().flatten().map(|at| &outside.ledger.lines[*at]).collect();
        let oracle = oracles.get_mut(&batch).ok_or("every batch has an oracle")?;
        let mut judged = oracle.judge(life, &ended.said, &snapshot, (&outside.ledger, &lines), over);
        violations.append(&mut judged.violations);
        if ended.overdue {
            let rule = "stuck";
            violations.push(Violation { rule, detail: format!("batch {batch}: {} runs are open", judged.runs_open) });
        } else if !ended.killed && !over && !idle {
            let last = ended.said.last();
            let detail = format!("batch {batch} life {life}: {}: {last:?}: {}", ended.status, ended.last_words());
            violations.push(Violation { rule: "died", detail });
        }
        let count = |rules: &[&str]| violations.iter().filter(|found| rules.contains(&found.rule)).count();
        let cycle = Cycle {
            cycle: summary.cycles,
            batch,
            life,
            killed_at_ms: ended.killed.then_some(after as u64),
            runs_open: judged.runs_open,
            runs_done: judged.runs_done,
            entries: judged.entries,
            resent: judged.resent,
            unknown: judged.unknown.clone(),
            books: judged.books.clone(),
            lost: count(&["lost_start", "lost_signal", "lost_entry", "never_lost", "stuck", "not_taken_back"]),
            done_again: count(&["completed_twice", "done_again", "asked_again", "sent_again"]),
            duplicates: count(&["applied_twice", "taken_back_twice"]),
            violations,
        };
        say(&cycle)?;
        summary.lost += cycle.lost;
        summary.done_again += cycle.done_again;
        summary.duplicates += cycle.duplicates;
        summary.violations += cycle.violations.len();
        summary.first = summary.first.or(cycle.violations.first().map(|found| found.rule));
        if over {
            summary.batches += 1;
            summary.runs += judged.runs_done as u64;
            summary.add(&judged);
            last = None;
            std::fs::remove_dir_all(&data)?;
        } else if (finishing && !idle) || (arguments.stop_at_first && summary.first.is_some()) {
            last = Some(judged);
            break;
        } else {
            if asked {
                let found = resolver::words(&snapshot, &outside.ledger);
                let lines: Vec<String> = found.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
                std::fs::write(&words, lines.join("\n"))?;
            }
            last = Some(judged);
            open = Some((batch, data, life));
        }
        if arguments.stop_at_first && summary.first.is_some() {
            break;
        }
    }
    if let Some(judged) = last {
        summary.add(&judged);
    }
    summary.requests = outside.ledger.lines.len();
    readies.sort_unstable();
    let at = |part: usize| readies.get((readies.len() * part / 100).min(readies.len().saturating_sub(1)));
    summary.ready_ms_p50 = at(50).copied().unwrap_or_default();
    summary.ready_ms_p99 = at(99).copied().unwrap_or_default();
    summary.seconds = begun.elapsed().as_secs();
    Ok(summary)
}

/// Changes how the receiver treats requests, again and again. `kind`: everything is well from now on.
async fn switch(modes: Modes, mut dice: Dice, kind: bool) {
    loop {
        for one in ["note", "unnote", "keep", "mark", "perhaps", "read", "ask"] {
            let setting = if kind { calm(one) } else { mood(one, &mut dice) };
            if modes.set(&setting).await.is_err() {
                return;
            }
        }
        if kind {
            // Modes of the kinds are gone with it; all of them were `ok`.
            let _ = modes.plan(&Plan::default()).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(60 + dice.below(240))).await;
    }
}

fn calm(kind: &str) -> Setting {
    Setting { kind: kind.to_owned(), mode: Some(Mode::Ok), ..Setting::default() }
}

/// A random mode for one kind of request.
fn mood(kind: &str, dice: &mut Dice) -> Setting {
    let modes: &[Mode] = match kind {
        "ask" => &[Mode::Ok, Mode::Ok, Mode::Slow, Mode::FailBefore, Mode::DropAfter],
        "read" => &[Mode::Ok, Mode::Ok, Mode::Slow, Mode::FailBefore, Mode::DropBefore, Mode::HangAfter],
        "perhaps" => &[Mode::Ok, Mode::Reject4xx, Mode::Reject4xx, Mode::DropAfter, Mode::FailAfter, Mode::HangAfter],
        _ => &[
            Mode::Ok,
            Mode::Ok,
            Mode::DropAfter,
            Mode::FailAfter,
            Mode::Slow,
            Mode::HangAfter,
            Mode::FailBefore,
            Mode::DropBefore,
            Mode::Truncated,
        ],
    };
    let mode = modes[dice.below(modes.len() as u64) as usize];
    Setting {
        kind: kind.to_owned(),
        mode: Some(mode),
        ms: Some(1 + dice.below(80)),
        probability: Some(if mode == Mode::HangAfter { 0.1 } else { 0.4 }),
        seed: Some(dice.draw() >> 1),
        ..Setting::default()
    }
}

#[derive(Serialize)]
struct Last<'a> {
    summary: &'a Summary,
}

/// Runs the loop with its lines on the standard output.
///
/// # Errors
/// The apparatus fails, or a promise was broken.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    let program = std::env::current_exe()?;
    let mut out = arguments.out.as_deref().map(File::create).transpose()?;
    let mut keep = move |line: serde_json::Value| match &mut out {
        Some(out) => writeln!(out, "{line}"),
        None => Ok(()),
    };
    let mut both = |cycle: &Cycle| {
        victim::say(cycle)?;
        keep(serde_json::to_value(cycle)?)
    };
    let summary = kill(&program, &arguments, &mut both).await?;
    let last = Last { summary: &summary };
    victim::say(&last)?;
    keep(serde_json::to_value(&last)?)?;
    match summary.violations {
        0 => Ok(()),
        some => Err(format!("{some} promises were broken, the first is {}", summary.first.unwrap_or_default()).into()),
    }
}
