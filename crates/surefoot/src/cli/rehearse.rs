use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use kernel::governance::budget::Unit;
use serde_json::json;

use super::{
    Scene, graph,
    out::{BAD, FAINT, GOOD, STRONG, WAIT, count, paint, plain},
    test::{self, Read},
};
use crate::{
    case::Case,
    error::CliError,
    exit::Exit,
    rehearse::{Cell, Cue, Ending, Rehearsal},
    trial::Part,
};

/// Play cases that go well with everything that can go wrong, and say how each ends
///
/// For each step of the plain path: each failure that can come of it, once and each time, and with the process dying before and after it
/// is written down. All of it in memory; what was really performed is counted beside, as a receiver of that effect class would. It says
/// where a run fails, where it waits for whom, and what that person would have to do.
///
/// Exit code 3 if an effect was performed twice, got lost or is only believed, or if a run ended in silence: those are listed first.
#[derive(Debug, Args)]
pub(super) struct Rehearse {
    /// The workflow [default: each that has a case that goes well]
    #[arg(value_name = "WORKFLOW")]
    workflow: Option<String>,
    /// The plain path [default: each case of a whole workflow that completes]
    #[arg(long, value_name = "FILE")]
    case: Vec<PathBuf>,
    /// The project's folder
    #[arg(long = "project", value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

impl Rehearse {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let what: Vec<PathBuf> = self.case.iter().cloned().chain([self.folder.clone()]).collect();
        let opened = test::open(scene, &what)?;
        if let Some(name) = &self.workflow {
            graph::find(&opened.setting.project.workflows, name).map_err(|error| {
                let hint = format!("a folder is named so: `surefoot rehearse --project {name}`");
                if Path::new(name).is_dir() { error.hint(hint) } else { error }
            })?;
        }
        let mut rehearsals = Vec::new();
        let (mut left_out, mut seen) = (Vec::new(), BTreeMap::<_, BTreeSet<String>>::new());
        for read in &opened.cases {
            let Read::Case(case) = read else {
                left_out.push("a case cannot be read: `surefoot test` says why".to_owned());
                continue;
            };
            if self.workflow.as_ref().is_some_and(|name| **name != *case.program.name) || !is_plain(case) {
                continue;
            }
            match Rehearsal::of(case, &opened.setting) {
                Ok(rehearsal) => {
                    let cues = rehearsal.cues(seen.entry(case.program.name.clone()).or_default());
                    rehearsals.push((case, rehearsal, cues));
                }
                Err(why) if !self.case.is_empty() => return Err(CliError::new(Exit::Project, why)),
                Err(why) => left_out.push(why),
            }
        }
        if rehearsals.is_empty() {
            let mut error = CliError::not_found("no case goes well from a whole workflow's beginning to its end");
            error = left_out.into_iter().fold(error, CliError::hint);
            return Err(error.hint("`surefoot test` runs the cases; a rehearsal begins with one that completes"));
        }
        let plays: Vec<(&Case, &Rehearsal<'_>, &Cue)> = rehearsals
            .iter()
            .flat_map(|(case, rehearsal, cues)| cues.iter().map(move |cue| (&***case, rehearsal, cue)))
            .collect();
        let bar = progress(scene, plays.len());
        let cells = test::each(&plays, |(_, rehearsal, cue)| {
            let cell = rehearsal.play(cue);
            if let Some(bar) = &bar {
                bar.inc(1);
            }
            cell
        });
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let all: Vec<(&Case, Cell)> = plays.iter().map(|(case, ..)| *case).zip(cells).collect();
        left_out.iter().for_each(|why| scene.out.aside(paint(WAIT, format!("left out: {}", plain(why)))));
        Ok(if scene.out.json { as_json(scene, &all) } else { told(scene, &all) })
    }
}

/// Whether a case is a plain path: a whole workflow, to its end.
fn is_plain(case: &Case) -> bool {
    case.beginning.part == Part::Whole && case.expect.status.is_none_or(|(status, _)| status == "completed")
}

fn progress(scene: &Scene, plays: usize) -> Option<ProgressBar> {
    if !scene.out.lively() {
        return None;
    }
    let bar = ProgressBar::new(plays as u64);
    let style = ProgressStyle::with_template("rehearsing {bar:30} {pos} of {len}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(100));
    Some(bar)
}

fn exit(all: &[(&Case, Cell)]) -> Exit {
    if all.iter().any(|(_, cell)| !cell.bad.is_empty()) { Exit::Project } else { Exit::Ok }
}

/// How many ended so.
fn endings(all: &[(&Case, Cell)]) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for (_, cell) in all {
        *counts.entry(cell.ending.word()).or_default() += 1;
    }
    counts
}

fn as_json(scene: &Scene, all: &[(&Case, Cell)]) -> Exit {
    for (case, cell) in all {
        scene.out.object(&json!({
            "kind": "cell", "case": case.file, "workflow": case.program.name, "step": cell.step, "failure": cell.failure,
            "how": cell.how.as_str(), "ending": cell.ending.word(), "says": cell.ending.to_string(),
            "then": cell.then.as_ref().map(ToString::to_string), "bad": cell.bad, "person": cell.person,
            "effects": cell.effects, "calls": cell.calls, "tokens": cell.tokens, "money_uusd": cell.money_uusd,
            "made_up": cell.made_up,
        }));
    }
    let bad = all.iter().filter(|(_, cell)| !cell.bad.is_empty()).count();
    let count = all.len();
    scene
        .out
        .object(&json!({ "kind": "summary", "cells": count, "bad": bad, "endings": endings(all), "ok": bad == 0 }));
    exit(all)
}

fn told(scene: &Scene, all: &[(&Case, Cell)]) -> Exit {
    lines(all).into_iter().for_each(|line| scene.out.line(line));
    exit(all)
}

/// What must never be first, then every step with what it met, then the sums.
fn lines(all: &[(&Case, Cell)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (case, cell) in all.iter().filter(|(_, cell)| !cell.bad.is_empty()) {
        let met = format!("{} met {} ({})", cell.step, cell.failure, cell.how.as_str());
        lines.push(format!("{} {met}  {}", paint(BAD, "never"), paint(FAINT, &case.file)));
        lines.extend(cell.bad.iter().map(|one| format!("   {}", plain(one))));
        lines.push(format!("   the run {}", plain(&cell.ending.to_string())));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    // Items that meet the same end alike are one line.
    let mut before = None;
    let mut at = 0;
    while let Some((case, cell)) = all.get(at) {
        let place = (&case.file, &cell.step);
        if before != Some(place) {
            lines.push(format!("{}  {}", paint(STRONG, &cell.step), paint(FAINT, &case.file)));
            before = Some(place);
        }
        let same = |other: &&(&Case, Cell)| {
            (&other.0.file, &other.1.step, &other.1.failure) == (place.0, place.1, &cell.failure)
        };
        let group: Vec<&Cell> = all[at..].iter().take_while(same).map(|(_, cell)| cell).collect();
        at += group.len();
        let mut ends: Vec<(String, Vec<&str>, &Cell)> = Vec::new();
        for cell in group {
            let end = end_of(cell);
            match ends.iter_mut().find(|(one, ..)| *one == end) {
                Some((_, hows, _)) => hows.push(cell.how.as_str()),
                None => ends.push((end, vec![cell.how.as_str()], cell)),
            }
        }
        for (end, hows, cell) in ends {
            let style = match cell.ending {
                Ending::Well => GOOD,
                Ending::Waits(_) | Ending::Paused(_) | Ending::Cancelled => WAIT,
                Ending::Fails(_) | Ending::Stuck(_) | Ending::Unplayed(_) => BAD,
            };
            let met = format!("{} ({})", cell.failure, hows.join(", "));
            let spent = paint(FAINT, spent(cell));
            lines.push(format!("  {met:<58} {}  {spent}", paint(style, plain(&end))));
        }
    }
    lines.push(String::new());
    let bad = all.iter().filter(|(_, cell)| !cell.bad.is_empty()).count() as u64;
    let sums: Vec<String> = endings(all).into_iter().map(|(word, number)| format!("{number} {word}")).collect();
    let never = match bad {
        0 => paint(GOOD, "no effect twice or lost, no silent end"),
        bad => paint(BAD, format!("{} where something must never be", count(bad, "play"))),
    };
    lines.push(format!("{}: {}; {never}", count(all.len() as u64, "play"), sums.join(", ")));
    lines
}

/// What it took: effects, calls, tokens, money.
fn spent(cell: &Cell) -> String {
    let mut parts = vec![count(cell.effects.into(), "effect"), count(cell.calls.into(), "call")];
    if cell.tokens > 0 {
        parts.push(count(cell.tokens, "token"));
    }
    if cell.money_uusd > 0 {
        parts.push(Unit::Money.show(cell.money_uusd));
    }
    if cell.made_up > 0 {
        parts.push(format!("{} made up", count(cell.made_up.into(), "answer")));
    }
    parts.join(", ")
}

/// How a play ended, with what a person would have to do, and what comes if nobody does.
fn end_of(cell: &Cell) -> String {
    let mut end = cell.ending.to_string();
    if !cell.person.is_empty() {
        end.push_str(&format!(" [{}]", cell.person.join("; ")));
    }
    if let Some(then) = &cell.then {
        end.push_str(&format!("; if nobody does, it {then}"));
    }
    end
}

#[cfg(test)]
mod tests;
