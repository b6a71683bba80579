//! Death and input/output errors at every write and every fsync of one canonical run, by a tracer that injects them.
//!
//! For each point: a life that is hit there, a judgement, then a life without tracer that must come to its end, and a judgement
//! again. Two beginnings are covered: no directory yet (the opening thread writes the schema), and an empty database (the store's
//! own thread writes everything). Counting stops at the first life that is not hit.

use std::{
    ffi::OsString,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use clap::ValueEnum;
use serde::Serialize;

use crate::{
    life::Ended,
    mutants::Stage,
    victim::{self, Said, Trouble},
};

/// `apparatus syscalls`
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// At which calls; all of them if not given.
    #[arg(long, value_enum)]
    pub what: Option<What>,
    /// What happens there; both if not given.
    #[arg(long, value_enum)]
    pub fault: Option<Fault>,
    /// Only every so many points, for a quick look.
    #[arg(long, default_value_t = 1)]
    pub every: usize,
    /// Stop after so many points of a kind.
    #[arg(long, default_value_t = 5_000)]
    pub most: usize,
    /// What inputs are derived from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Which calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// `pwrite64` on the database and its log.
    Write,
    /// `fdatasync` and `fsync` of them and of their directory.
    Fsync,
    /// The store's own points: after BEGIN, before and after COMMIT, before a checkpoint. Needs no tracer.
    Point,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// SIGKILL as the call begins.
    Kill,
    /// The call does nothing and reports EIO.
    Eio,
}

/// What one series of points came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Series {
    /// `pwrite64 kill, new directory`.
    pub series: String,
    /// Points that exist.
    pub points: usize,
    /// Points that were hit and judged.
    pub covered: usize,
    /// Points after which something was wrong.
    pub bad: usize,
    /// For EIO: lives that ended with an exit code other than 0 and a line that says why.
    pub refused: usize,
    /// For EIO: lives that came to their end all the same; only the tidying up at the end was hit.
    pub at_close: usize,
    /// Acknowledgements after the injected error without an fsync that succeeded between the call and its return.
    pub acks_after_error: usize,
    /// The first things that were wrong.
    pub wrong: Vec<String>,
}

/// Whether a tracer may be used here.
pub fn can_trace() -> bool {
    let quiet = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet(Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"])).is_ok_and(|status| status.success())
}

/// Covers every point that is asked for.
///
/// # Errors
/// The apparatus fails, or a point was bad.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    let program = std::env::current_exe()?;
    let faults = match arguments.fault {
        Some(fault) => vec![fault],
        None => vec![Fault::Kill, Fault::Eio],
    };
    let traced = arguments.what != Some(What::Point);
    if traced && !can_trace() {
        return Err("strace cannot trace here; `--what point` needs none".into());
    }
    let mut calls: Vec<&str> = Vec::new();
    if matches!(arguments.what, None | Some(What::Write)) {
        calls.push("pwrite64");
    }
    if matches!(arguments.what, None | Some(What::Fsync)) {
        calls.extend(["fdatasync", "fsync"]);
    }
    if matches!(arguments.what, None | Some(What::Point)) {
        calls.extend(store::fault::POINTS);
    }
    let mut stage = Stage::set(&program, arguments.seed, 1).await?;
    let empty = stage.scratch("empty");
    prepare(&mut stage, &empty).await?;
    let mut total = Series { series: "all".to_owned(), ..Series::default() };
    for call in calls {
        for fault in &faults {
            for beginning in [None, Some(&*empty)] {
                let series = series(&mut stage, &arguments, call, *fault, beginning).await?;
                victim::say(&series)?;
                total.points += series.points;
                total.covered += series.covered;
                total.bad += series.bad;
                total.refused += series.refused;
                total.at_close += series.at_close;
                total.acks_after_error += series.acks_after_error;
            }
        }
    }
    victim::say(&serde_json::json!({ "summary": total }))?;
    match total.bad {
        0 => Ok(()),
        bad => Err(format!("{bad} of {} points were bad", total.covered).into()),
    }
}

/// A database without runs, left in order.
async fn prepare(stage: &mut Stage, empty: &Path) -> Result<(), Trouble> {
    let data = stage.begin();
    let ended = stage.life().with("--runs", 0).live().await?;
    if !ended.over() {
        return Err(format!("an empty batch did not come to its end: {}", ended.stderr).into());
    }
    fs::rename(data, empty)?;
    Ok(())
}

async fn series(
    stage: &mut Stage,
    arguments: &Arguments,
    call: &str,
    fault: Fault,
    beginning: Option<&Path>,
) -> Result<Series, Trouble> {
    let kind = match fault {
        Fault::Kill => "kill",
        Fault::Eio => "eio",
    };
    let of = if beginning.is_some() { "empty database" } else { "new directory" };
    let mut series = Series { series: format!("{call} {kind}, {of}"), ..Series::default() };
    let log = stage.scratch("trace");
    // One run never fills the log so far that it is folded into the file.
    stage.runs = if call == "before_checkpoint" { 150 } else { 1 };
    let mut nth = 1;
    while series.covered < arguments.most {
        let data = stage.begin();
        if let Some(empty) = beginning {
            fs::create_dir(&data)?;
            for file in fs::read_dir(empty)? {
                let file = file?;
                fs::copy(file.path(), data.join(file.file_name()))?;
            }
        }
        let mut life = stage.life();
        if store::fault::POINTS.contains(&call) {
            life = life.variable("SUREFOOT_FAULT", &format!("{call}:{nth}:{kind}"));
        } else {
            life.under = tracer(&data, &log, call, fault, nth);
        }
        let ended = life.live().await?;
        let trace = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(&log);
        let hit = match (store::fault::POINTS.contains(&call), fault) {
            (false, Fault::Eio) => trace.contains("(INJECTED)"),
            _ => !ended.over(),
        };
        if !hit {
            break;
        }
        series.points = nth;
        series.covered += 1;
        let mut wrong: Vec<String> = told(&stage.judge(&ended).await?);
        if fault == Fault::Eio {
            let acks = injected_at_us(&trace).map_or(0, |at| acks_after(&ended, &trace, at));
            series.acks_after_error += acks;
            if acks > 0 {
                wrong.push(format!("{acks} acknowledgements after the error"));
            }
            if ended.over() {
                series.at_close += 1;
            } else if ended.status.code().is_some_and(|code| code != 0) && !ended.last_words().is_empty() {
                series.refused += 1;
            } else {
                wrong.push(format!("it ended with {} and said `{}`", ended.status, ended.last_words()));
            }
        }
        let again = stage.life().live().await?;
        wrong.extend(told(&stage.judge(&again).await?));
        if !again.over() {
            wrong.push(format!("it does not start again: {}: {}", again.status, again.last_words()));
        }
        if !wrong.is_empty() {
            series.bad += 1;
            if series.wrong.len() < 5 {
                series.wrong.push(format!("point {nth}: {}", wrong.join("; ")));
            }
        }
        nth += arguments.every.max(1);
    }
    if arguments.every > 1 {
        series.points = series.points.max(nth.saturating_sub(1));
    }
    Ok(series)
}

fn told(judged: &crate::oracle::Judgement) -> Vec<String> {
    judged.violations.iter().map(|found| format!("{}: {}", found.rule, found.detail)).collect()
}

/// The tracer, which looks at the data directory's files alone.
fn tracer(data: &Path, log: &Path, call: &str, fault: Fault, nth: usize) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["strace", "-f", "-qq", "-ttt", "-o"].map(Into::into).to_vec();
    words.push(log.into());
    words.extend(["-P".into(), data.into()]);
    for name in ["surefoot.db", "surefoot.db-wal", "surefoot.db-journal", "suspect"] {
        words.extend(["-P".into(), data.join(name).into()]);
    }
    let inject = match fault {
        Fault::Kill => "signal=KILL",
        Fault::Eio => "error=EIO",
    };
    let seen = if call == "fdatasync" { call.to_owned() } else { format!("{call},fdatasync") };
    words.extend(["-e".into(), format!("trace={seen}").into()]);
    words.extend(["-e".into(), format!("inject={call}:{inject}:when={nth}").into()]);
    words
}

/// When a line of the tracer's log happened, with `-f -ttt`: `pid seconds.micros call(…) = …`.
fn line_us(line: &str) -> Option<i64> {
    let (seconds, micros) = line.split_whitespace().nth(1)?.split_once('.')?;
    Some(seconds.parse::<i64>().ok()? * 1_000_000 + micros.parse::<i64>().ok()?)
}

/// The last one: SQLite goes on when a directory cannot be synced, and each thread has a count of its own.
fn injected_at_us(trace: &str) -> Option<i64> {
    line_us(trace.lines().rfind(|line| line.contains("(INJECTED)"))?)
}

/// Acknowledgements of something new after the error, without an fsync that succeeded between the call and its return.
fn acks_after(ended: &Ended, trace: &str, error_us: i64) -> usize {
    let synced: Vec<i64> =
        trace.lines().filter(|line| line.contains("fdatasync") && line.ends_with(" = 0")).filter_map(line_us).collect();
    let acks = ended.said.iter().filter_map(|said| match said {
        Said::Started { created: true, from_us, at_us, .. } => Some((*from_us, *at_us)),
        Said::Signalled { known: false, from_us, at_us, .. } => Some((*from_us, *at_us)),
        _ => None,
    });
    acks.filter(|(from, at)| *at > error_us && !synced.iter().any(|sync| (*from..=*at).contains(sync))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_injected_error_is_read() {
        let trace = "71 1795180201.000001 pwrite64(9, \"\"..., 24, 0) = 24\n\
                     72 1795180201.233697 pwrite64(9, \"\"..., 24, 0) = -1 EIO (Input/output error) (INJECTED)\n";
        assert_eq!(injected_at_us(trace), Some(1_795_180_201_233_697));
        assert_eq!(injected_at_us("71 1.0 pwrite64() = 24"), None);
    }

    #[test]
    fn an_acknowledgement_needs_an_fsync_before_the_error() {
        let run = kernel::ids::RunId::from_bytes([1; 16]);
        let ack = Said::Started { number: 0, run, created: true, from_us: 1_000_000, at_us: 4_000_000 };
        let ended = |said| Ended {
            said,
            stderr: String::new(),
            status: std::process::ExitStatus::default(),
            killed: false,
            stood: 0,
            overdue: false,
            ready_after: None,
        };
        let before = "7 2.000000 fdatasync(9) = 0\n7 3.000000 fdatasync(9) = -1 EIO (Input/output error) (INJECTED)\n";
        let ended = ended(vec![ack]);
        assert_eq!(acks_after(&ended, before, 3_000_000), 0);
        assert_eq!(acks_after(&ended, &before.replace("7 2.", "7 0."), 3_000_000), 1);
        assert_eq!(acks_after(&ended, before, 5_000_000), 0, "it came before the error");
    }
}
