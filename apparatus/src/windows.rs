//! The windows of a crash, by name: between any two moments of an action's way, the process ends, gets an error, or stands still for
//! two leases and goes on, with actions of each class.
//!
//! Each cell plays one window, one kind and one class in directories of its own. An oracle judges every life, a person says what became
//! of what is unknown, and everything must come to its end.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::sync::{Notify, Semaphore};

use crate::{
    ledger::{Class, Mode},
    ledgerd::Once,
    life::{Ended, Life},
    mixed::{CLASSES, Mix, kind},
    mutants::{Stage, first},
    victim::{self, Trouble},
};

pub mod sweep;

/// `apparatus windows`
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Instead: every commit of a batch, one after the other.
    #[arg(long)]
    pub sweep: bool,
    /// Only this window, as in `W3`.
    #[arg(long)]
    pub only: Option<String>,
    /// Times that a window is met in a cell.
    #[arg(long, default_value_t = 2)]
    pub times: usize,
    /// Cells that are played at once.
    #[arg(long, default_value_t = 4)]
    pub at_once: usize,
    /// Of a sweep: only every so many commits, for a quick look.
    #[arg(long, default_value_t = 1)]
    pub every: usize,
    /// Of a sweep: the last commit that is looked at.
    #[arg(long, default_value_t = 60)]
    pub most: usize,
    /// Of a sweep: runs in a directory.
    #[arg(long, default_value_t = 3)]
    pub runs: u64,
    /// What inputs are derived from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A known mistake to switch on in the first process of each cell.
    #[arg(long)]
    pub mutant: Option<String>,
}

impl Default for Arguments {
    fn default() -> Arguments {
        let (sweep, only, mutant) = (false, None, None);
        Arguments { sweep, only, times: 2, at_once: 4, every: 1, most: 60, runs: 3, seed: 1, mutant }
    }
}

/// Lives after the fault in which everything must come to its end; a person answers between them.
const LIVES: u32 = 8;

/// The lease of every process here, in milliseconds.
const LEASE_MS: u64 = 600;

/// How long a process stands still.
const STANDS: Duration = Duration::from_millis(2 * LEASE_MS);

/// What happens in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The process ends at once.
    Abort,
    /// What is done there fails.
    Error,
    /// The process stands still for two leases, and goes on.
    Pause,
}

/// How a window is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// By an armed point: `abort`, `error` and `pause` as `SUREFOOT_FAULT` has them, `N` being the time.
    Armed([&'static str; 3]),
    /// By what the receiver does, once with the effect and once without.
    Wire,
    /// Two owners, one of which stands still: see [`crate::zombies`].
    Zombie,
}

/// A place in a window, with what is checked beside the oracle.
#[derive(Clone, Copy, Debug)]
struct Place {
    window: &'static str,
    place: &'static str,
    how: How,
    /// A person is asked before every action.
    asked: bool,
    /// After the death, the journal has an intent without an outcome.
    pending: bool,
    /// … and something is set aside for it, of which nothing is at the end.
    reserved: bool,
}

const fn at(window: &'static str, place: &'static str, armed: [&'static str; 3]) -> Place {
    Place { window, place, how: How::Armed(armed), asked: false, pending: false, reserved: false }
}

/// Every place.
const PLACES: [Place; 14] = [
    at(
        "W0",
        "before the commit of the intent",
        ["before_commit_of_intent:N:kill", "before_commit_of_intent:N:eio", "before_commit_of_intent:N:stop"],
    ),
    Place {
        pending: true,
        ..at(
            "W1",
            "after the commit of the intent, before its reply",
            ["after_commit_of_intent:N:kill", "after_commit_of_intent:N:eio", "after_commit_of_intent:N:stop"],
        )
    },
    Place {
        pending: true,
        ..at(
            "W2",
            "after the reply, before the first byte",
            ["before_dispatch:N:kill", "before_dispatch:N:eio", "before_dispatch:N:stop"],
        )
    },
    Place { how: How::Wire, pending: true, ..at("W3", "the bytes are sent, and no answer is there", [""; 3]) },
    Place {
        pending: true,
        ..at(
            "W4",
            "the answer is in memory",
            ["after_response:N:kill", "after_response:N:eio", "after_response:N:stop"],
        )
    },
    Place {
        pending: true,
        ..at(
            "W4",
            "before the commit of the outcome",
            ["before_commit_of_outcome:N:kill", "before_commit_of_outcome:N:eio", "before_commit_of_outcome:N:stop"],
        )
    },
    at(
        "W5",
        "after the commit of the outcome, before its reply",
        ["after_commit_of_outcome:N:kill", "after_commit_of_outcome:N:eio", "after_commit_of_outcome:N:stop"],
    ),
    at("W6", "after the outcome", ["after_outcome:N:kill", "", "after_outcome:N:stop"]),
    Place { how: How::Zombie, ..at("W7", "another owner has the run", [""; 3]) },
    Place {
        asked: true,
        ..at(
            "W8",
            "before the commit that uses up the approval",
            [
                "before_commit_of_consumption:N:kill",
                "before_commit_of_consumption:N:eio",
                "before_commit_of_consumption:N:stop",
            ],
        )
    },
    Place {
        asked: true,
        ..at(
            "W8",
            "after the commit that uses up the approval",
            [
                "after_commit_of_consumption:N:kill",
                "after_commit_of_consumption:N:eio",
                "after_commit_of_consumption:N:stop",
            ],
        )
    },
    Place {
        reserved: true,
        ..at(
            "W9",
            "set aside, and not settled",
            ["after_response:N:kill", "before_commit_of_outcome:N:eio", "before_dispatch:N:stop"],
        )
    },
    at(
        "W11",
        "the disk is full at the outcome",
        [
            "before_commit_of_outcome:N:full,before_commit_of_outcome:M:kill",
            "before_commit_of_outcome:N:full",
            "before_commit_of_outcome:N:full,before_commit_of_outcome:N:stop",
        ],
    ),
    at("W11", "the disk is full at the intent", ["", "before_commit_of_intent:N:full", ""]),
];

/// Windows that have no cells, and why.
const MISSING: [(&str, &str); 2] = [
    ("W10", "the workflows of the windows take nothing back: there is no compensation to die in"),
    ("W12", "the workflows of the windows tell nobody: there is no delivery to die before"),
];

/// One line.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// `W0` to `W12`.
    pub window: &'static str,
    /// Where in it.
    pub place: &'static str,
    /// What happened there.
    pub kind: Kind,
    /// To actions of this class.
    pub class: Class,
    /// How often the window was met.
    pub covered: usize,
    /// How often something was wrong.
    pub bad: usize,
    /// The first of that.
    pub wrong: Option<String>,
    /// What was looked at.
    pub checked: Vec<&'static str>,
}

/// A line for what cannot be played.
#[derive(Clone, Debug, Serialize)]
pub struct Blank {
    /// `W0` to `W12`.
    pub window: &'static str,
    /// What would have to happen; `None`: anything.
    pub kind: Option<Kind>,
    /// Why it cannot.
    pub not_applicable: &'static str,
}

const KINDS: [Kind; 3] = [Kind::Abort, Kind::Error, Kind::Pause];

/// Why a place has no cell of a kind.
fn blank(place: &Place, at: usize) -> Option<&'static str> {
    match place.how {
        How::Zombie if KINDS[at] != Kind::Pause => {
            Some("a process that has lost its run goes on: nothing else is this window")
        }
        How::Armed(armed) if armed[at].is_empty() => Some(match place.window {
            "W6" => "everything is recorded: there is no call left that could fail",
            _ => "the disk is full at the outcome has this",
        }),
        _ => None,
    }
}

/// Plays every cell that the arguments want; gives each as it is done.
///
/// # Errors
/// The apparatus fails. What is wrong stands in the cells.
pub async fn windows(
    program: &Path,
    arguments: &Arguments,
    say: &mut (dyn FnMut(&Cell) -> std::io::Result<()> + Send),
) -> Result<Vec<Cell>, Trouble> {
    let places = Arc::new(Semaphore::new(arguments.at_once.max(1)));
    let mut playing = tokio::task::JoinSet::new();
    let wanted = |place: &Place| arguments.only.as_deref().is_none_or(|only| only == place.window);
    for place in PLACES.into_iter().filter(wanted) {
        for (at, class) in (0..KINDS.len()).flat_map(|at| CLASSES.map(|class| (at, class))) {
            if blank(&place, at).is_some() {
                continue;
            }
            let (program, arguments, places) = (program.to_owned(), arguments.clone(), places.clone());
            playing.spawn(async move {
                let _place = places.acquire_owned().await?;
                cell(&program, &arguments, &place, at, class).await
            });
        }
    }
    let mut cells = Vec::new();
    while let Some(cell) = playing.join_next().await {
        let cell = cell??;
        say(&cell)?;
        cells.push(cell);
    }
    Ok(cells)
}

async fn cell(program: &Path, arguments: &Arguments, place: &Place, at: usize, class: Class) -> Result<Cell, Trouble> {
    let (window, kind) = (place.window, KINDS[at]);
    let checked =
        ["every life: the oracle", "the end: every run completed, its result as its input and the ledger imply"];
    let more = [
        (place.pending && kind == Kind::Abort, "after the death: an intent without an outcome"),
        (place.reserved && kind != Kind::Pause, "after the death: set aside; at the end: spent, and nothing set aside"),
        (kind == Kind::Pause && place.how != How::Zombie, "it stood still for two leases and went on"),
        (place.how == How::Zombie, "its append is fenced, its answer is kept, nothing happens twice"),
    ];
    let more = more.into_iter().filter_map(|(holds, words)| holds.then_some(words));
    let checked = checked.into_iter().chain(more).collect();
    let mut cell = Cell { window, place: place.place, kind, class, covered: 0, bad: 0, wrong: None, checked };
    if place.how == How::Zombie {
        for zombie in crate::zombies::of_class(program, class, arguments.times).await? {
            cell.covered += 1;
            if let Some(wrong) = zombie.wrong {
                cell.bad += 1;
                cell.wrong.get_or_insert(wrong);
            }
        }
        return Ok(cell);
    }
    let mut stage = Stage::set(program, arguments.seed, 2).await?;
    stage.mix = Some(Mix::only(class));
    for time in 0..arguments.times.max(1) {
        let Some(wrong) = one(&mut stage, place, at, (class, time), arguments.mutant.as_deref()).await? else {
            continue;
        };
        cell.covered += 1;
        if let Some(wrong) = wrong {
            cell.bad += 1;
            cell.wrong.get_or_insert(format!("time {}: {wrong}", time + 1));
        }
    }
    Ok(cell)
}

/// One fault and what follows. `None`: everything was over before it came; else what was wrong, if something was.
async fn one(
    stage: &mut Stage,
    place: &Place,
    at: usize,
    (class, time): (Class, usize),
    mutant: Option<&str>,
) -> Result<Option<Option<String>>, Trouble> {
    stage.begin();
    let kind = KINDS[at];
    let life = |stage: &mut Stage| {
        let life = stage.life().with("--lease-ms", LEASE_MS);
        if place.asked { life.flag("--asked") } else { life }
    };
    let mut first_life = life(stage);
    if let Some(mutant) = mutant {
        first_life = first_life.variable("SUREFOOT_MUTANT", mutant);
    }
    first_life.stands = (kind == Kind::Pause).then_some(STANDS);
    let mut ended = match place.how {
        How::Armed(armed) => {
            // The first time, then the fourth, and so on: other actions are on their way by then.
            let nth = 1 + time * 3;
            let fault = armed[at].replace('N', &nth.to_string()).replace('M', &(nth + 2).to_string());
            first_life.variable("SUREFOOT_FAULT", &fault).live().await?
        }
        How::Wire => wire(stage, first_life, kind, class, time).await?,
        How::Zombie => return Ok(None),
    };
    let undisturbed = ended.over() || ended.idle();
    let met = match (kind, place.how) {
        (Kind::Pause, _) => ended.stood > 0,
        (Kind::Error, How::Armed(armed)) if armed[at].ends_with(":full") => true,
        (Kind::Error, How::Wire) => true,
        // An error that the process can go on after stands in a journal.
        (Kind::Error, _) => !undisturbed || stage.tells("an armed point made an error").await?,
        (Kind::Abort, _) => !undisturbed,
    };
    if !met {
        return Ok(None);
    }
    let mut judged = stage.judge(&ended).await?;
    if let Some(found) = first(&judged) {
        return Ok(Some(Some(found)));
    }
    if place.pending && kind == Kind::Abort && judged.pending == 0 {
        return Ok(Some(Some("no journal has an intent without an outcome after the death".to_owned())));
    }
    if place.reserved && kind != Kind::Pause && judged.books.open == 0 {
        return Ok(Some(Some("nothing is set aside after the death".to_owned())));
    }
    for _ in 0..LIVES {
        if ended.over() {
            let left = judged.books.open > 0 || judged.pending > 0;
            let wrong =
                left.then(|| format!("{} sums and {} actions are open at the end", judged.books.open, judged.pending));
            return Ok(Some(wrong));
        }
        let words = stage.words().await?;
        ended = life(stage).with("--words", words.display()).live().await?;
        judged = stage.judge(&ended).await?;
        if let Some(found) = first(&judged) {
            return Ok(Some(Some(found)));
        }
    }
    let wrong = (!ended.over()).then(|| format!("not over after {LIVES} lives: {}", ended.last_words()));
    Ok(Some(wrong))
}

/// The receiver has a request, and no answer comes: with the effect the first time, without it the second.
async fn wire(stage: &mut Stage, mut life: Life, how: Kind, class: Class, time: usize) -> Result<Ended, Trouble> {
    let with_effect = time.is_multiple_of(2);
    let mode = match (how, with_effect) {
        (Kind::Abort, true) => Mode::HangAfter,
        (Kind::Abort, false) => Mode::Hang,
        (Kind::Error, true) => Mode::DropAfter,
        (Kind::Error, false) => Mode::DropBefore,
        (Kind::Pause, true) => Mode::Slow,
        (Kind::Pause, false) => Mode::Hang,
    };
    let modes = stage.outside.modes();
    let once = Once { kind: kind(class).to_owned(), mode, ms: 100, seconds: 1, times: 1 };
    modes.next(&once).await?;
    let seen = Arc::new(Notify::new());
    match how {
        Kind::Abort => life.kill_on = Some(seen.clone()),
        Kind::Pause => life.stop_on = Some(seen.clone()),
        Kind::Error => {}
    }
    let sender = stage.sender();
    let living = tokio::spawn(life.live());
    if how != Kind::Error {
        while !living.is_finished() {
            stage.outside.follow()?;
            let ours = |line: &crate::ledger::Line| line.mode == mode && line.sender.as_deref() == Some(&*sender);
            if stage.outside.ledger.lines.iter().any(ours) {
                seen.notify_one();
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    Ok(living.await??)
}

/// Plays the cells, or the sweep, with their lines on the standard output.
///
/// # Errors
/// The apparatus fails, or something was wrong.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    if arguments.sweep {
        return sweep::run(arguments).await;
    }
    let program = std::env::current_exe()?;
    let begun = std::time::Instant::now();
    let cells = windows(&program, &arguments, &mut |cell| victim::say(cell)).await?;
    let wanted = |window: &str| arguments.only.as_deref().is_none_or(|only| only == window);
    for place in PLACES.iter().filter(|place| wanted(place.window)) {
        for (at, kind) in KINDS.into_iter().enumerate() {
            if let Some(why) = blank(place, at) {
                victim::say(&Blank { window: place.window, kind: Some(kind), not_applicable: why })?;
            }
        }
    }
    for (window, why) in MISSING.into_iter().filter(|(window, _)| wanted(window)) {
        victim::say(&Blank { window, kind: None, not_applicable: why })?;
    }
    let passes = |cell: &&Cell| cell.bad == 0 && cell.covered > 0;
    let mut table: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for cell in &cells {
        let (passed, all) = table.entry(cell.window).or_default();
        (*passed, *all) = (*passed + usize::from(passes(&cell)), *all + 1);
    }
    let table: BTreeMap<&str, String> =
        table.into_iter().map(|(window, (passed, all))| (window, format!("{passed}/{all}"))).collect();
    let passed = cells.iter().filter(passes).count();
    let covered: usize = cells.iter().map(|cell| cell.covered).sum();
    let (all, seconds) = (cells.len(), begun.elapsed().as_secs());
    let summary =
        serde_json::json!({"cells": all, "passed": passed, "covered": covered, "windows": table, "seconds": seconds});
    victim::say(&serde_json::json!({ "summary": summary }))?;
    if passed == all { Ok(()) } else { Err(format!("{} of {all} cells are bad", all - passed).into()) }
}
