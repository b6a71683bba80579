//! A process dies, or its database fails, before and after each commit of runs whose actions are all of one class.
//!
//! Around the commits of an action lie its windows: before its intent is durable, between that and the answer, before its outcome is
//! durable, after it. The sweep goes through all of them, one commit after the other, and through every other commit as well.

use serde::Serialize;

use super::{Arguments, LIVES};
use crate::{
    mixed::{CLASSES, Mix},
    mutants::{Stage, first},
    victim::{self, Trouble},
};

/// Where: a point of the store.
pub const POINTS: [&str; 3] = ["after_begin", "before_commit", "after_commit_before_reply"];

/// What happens there: the process ends at once, the write fails, or the process stands still for a while and is killed.
pub const KINDS: [&str; 3] = ["kill", "eio", "stall"];

/// One line: a class, a point and a kind.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// Of which class the actions are.
    pub class: String,
    /// Where.
    pub point: &'static str,
    /// What.
    pub kind: &'static str,
    /// Commits at which it happened, and that were judged.
    pub covered: usize,
    /// Commits at which something was wrong.
    pub bad: usize,
    /// The first of that.
    pub wrong: Option<String>,
}

/// Sweeps all of them; gives one cell after the other to `say`.
///
/// # Errors
/// The apparatus fails. What is wrong stands in the cells.
pub async fn sweep(
    program: &std::path::Path,
    arguments: &Arguments,
    say: &mut (dyn FnMut(&Cell) -> std::io::Result<()> + Send),
) -> Result<Vec<Cell>, Trouble> {
    let mut cells = Vec::new();
    for class in CLASSES {
        let mix = Mix::only(class);
        let mut stage = Stage::set(program, arguments.seed, arguments.runs).await?;
        stage.mix = Some(mix);
        for (point, kind) in POINTS.into_iter().flat_map(|point| KINDS.map(|kind| (point, kind))) {
            let class = serde_json::to_value(class)?.as_str().unwrap_or_default().to_owned();
            let mut cell = Cell { class, point, kind, covered: 0, bad: 0, wrong: None };
            for nth in (1..=arguments.most).step_by(arguments.every.max(1)) {
                let Some(wrong) = one(&mut stage, &format!("{point}:{nth}:{kind}")).await? else { break };
                cell.covered += 1;
                if let Some(wrong) = wrong {
                    cell.bad += 1;
                    cell.wrong.get_or_insert(format!("commit {nth}: {wrong}"));
                }
            }
            say(&cell)?;
            cells.push(cell);
        }
    }
    Ok(cells)
}

/// One fault and what follows. `None`: everything was over before it came; else what was wrong, if something was.
async fn one(stage: &mut Stage, fault: &str) -> Result<Option<Option<String>>, Trouble> {
    stage.begin();
    let mut ended = stage.life().variable("SUREFOOT_FAULT", fault).live().await?;
    if ended.over() || ended.idle() {
        return Ok(None);
    }
    let mut judged = stage.judge(&ended).await?;
    for _ in 0..LIVES {
        if let Some(found) = first(&judged) {
            return Ok(Some(Some(found)));
        }
        let words = stage.words().await?;
        ended = stage.life().with("--words", words.display()).live().await?;
        judged = stage.judge(&ended).await?;
        if ended.over() {
            return Ok(Some(first(&judged)));
        }
    }
    Ok(Some(first(&judged).or_else(|| Some(format!("not over after {LIVES} lives: {}", ended.last_words())))))
}

/// Sweeps with its lines on the standard output.
///
/// # Errors
/// The apparatus fails, or something was wrong.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    let program = std::env::current_exe()?;
    let cells = sweep(&program, &arguments, &mut |cell| victim::say(cell)).await?;
    let passed = cells.iter().filter(|cell| cell.bad == 0 && cell.covered > 0).count();
    let covered: usize = cells.iter().map(|cell| cell.covered).sum();
    let summary = serde_json::json!({"cells": cells.len(), "passed": passed, "covered": covered});
    victim::say(&serde_json::json!({ "summary": summary }))?;
    if passed == cells.len() { Ok(()) } else { Err(format!("{} cells are bad", cells.len() - passed).into()) }
}
