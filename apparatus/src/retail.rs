//! `apparatus retail`: 114 recorded sequences of a shop's customer service, through the governed path.
//!
//! Every call of a sequence is an `act` step of a workflow that is generated for it. What each tool answers and how the shop stands
//! afterwards must be what the original tools gave, whether the run is left alone, large refunds wait for a manager, or the process
//! dies after every step.

use std::time::Duration;

use serde::Serialize;

use self::{
    drive::{Played, Way, play},
    project::tasks,
};
use crate::victim::{Trouble, say};

mod desk;
mod drive;
mod project;
mod shop;

/// A sequence takes a second; one that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// `apparatus retail`
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Arguments {
    /// Only these sequences, by their numbers.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// A known mistake of the runtime that is switched on: then something must be wrong.
    #[arg(long)]
    pub mutant: Option<String>,
}

/// What came of all sequences in one way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// `undisturbed`, `asked` or `killed`.
    pub way: &'static str,
    /// Sequences.
    pub tasks: u64,
    /// Those in which everything was as recorded.
    pub same: u64,
    /// Outputs that were compared with recorded ones.
    pub outputs: u64,
    /// Those of them that are errors.
    pub errors: u64,
    /// Changes of the shop, each once.
    pub effects: u64,
    /// Calls that reached the shop, repeated ones among them.
    pub calls: u64,
    /// Refunds of more than 500 dollars.
    pub over: u64,
    /// Refunds that waited for a manager.
    pub asked: u64,
    /// Sequences with such a refund.
    pub tasks_over: u64,
    /// Sequences that waited for a manager.
    pub tasks_asked: u64,
    /// How often the requester was refused as the one who decides.
    pub refused: u64,
    /// Processes that died.
    pub deaths: u64,
    /// What was otherwise than recorded.
    pub wrong: Vec<String>,
}

impl Totals {
    fn add(&mut self, played: Played) {
        self.tasks += 1;
        self.same += u64::from(played.wrong.is_empty());
        self.outputs += played.compared;
        self.errors += played.errors;
        self.effects += played.effects;
        self.calls += played.calls;
        self.over += played.over;
        self.asked += played.asked;
        self.tasks_over += u64::from(played.over > 0);
        self.tasks_asked += u64::from(played.asked > 0);
        self.refused += played.refused;
        self.deaths += played.deaths;
        self.wrong.extend(played.wrong);
    }
}

/// Plays the sequences in all three ways.
///
/// # Errors
/// There is no such sequence, or the harness itself cannot go on.
pub async fn all(arguments: &Arguments) -> Result<Vec<Totals>, Trouble> {
    let tasks = tasks()?;
    if let Some(missing) = arguments.only.iter().find(|id| tasks.iter().all(|task| task.task_id != **id)) {
        return Err(format!("there is no sequence `{missing}`: they are 0 to {}", tasks.len() - 1).into());
    }
    let mut all = Vec::new();
    for (way, name) in [(Way::Undisturbed, "undisturbed"), (Way::Asked, "asked"), (Way::Killed, "killed")] {
        let mut totals = Totals { way: name, ..Totals::default() };
        for task in tasks.iter().filter(|task| arguments.only.is_empty() || arguments.only.contains(&task.task_id)) {
            let played = tokio::time::timeout(PATIENCE, play(task, way, arguments.mutant.as_deref())).await;
            totals.add(played.map_err(|_| format!("sequence {} does not come to its end: {name}", task.task_id))??);
        }
        all.push(totals);
    }
    Ok(all)
}

/// Prints a line for each way.
///
/// # Errors
/// Something was otherwise than recorded, or the harness itself cannot go on.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    let all = all(&arguments).await?;
    for totals in &all {
        say(totals)?;
    }
    match all.iter().map(|totals| totals.wrong.len()).sum::<usize>() {
        0 => Ok(()),
        wrong => Err(format!("{wrong} things are otherwise than recorded").into()),
    }
}
