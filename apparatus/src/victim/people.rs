//! What people do while the runs go on: resume, change the rules, hold a tool, say what became of an action.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Duration};

use kernel::{
    governance::approval::Decision,
    ids::{RunId, StepPath},
    workflow::project::Project,
};
use runtime::{
    RunError, Runtime,
    govern::{Asker, Decide, Outcome},
};
use store::{ApprovalQuery, RunQuery, Status, StoreError};

use super::{Said, Trouble, patiently, say};
use crate::{kill::Dice, mixed, resolver::Word};

/// What is held now and then.
const HELD: [&str; 5] = ["tool:ledger", "tool:ledger.note", "tool:ledger.book", "tool:ledger.fire", "workflow:deeds"];

fn asker(by: &str) -> Asker {
    Asker { by: by.into(), auth: "local".into() }
}

/// Makes the project's policies, in one of their two wordings, those of today.
pub(super) async fn enact(runtime: &Runtime, second: bool) -> Result<(), Trouble> {
    let (policies, asker) = (mixed::policies(second)?, asker("operator"));
    let name = mixed::NAME.into();
    patiently(u64::MAX, || runtime.enact(&name, Some(&policies), None, &asker)).await?;
    Ok(())
}

/// Makes the policies that ask before every action of `deeds` those of today.
pub(super) async fn ask(runtime: &Runtime) -> Result<(), Trouble> {
    let (policies, asker, name) = (mixed::asking()?, asker("operator"), mixed::NAME.into());
    patiently(u64::MAX, || runtime.enact(&name, Some(&policies), Some(mixed::PEOPLE), &asker)).await?;
    Ok(())
}

/// Agrees to whatever is asked, again and again.
pub(super) async fn agree(runtime: Runtime, asked: bool) -> Result<(), Trouble> {
    if !asked {
        return std::future::pending().await;
    }
    let ann = asker("ann");
    loop {
        tokio::time::sleep(Duration::from_millis(10)).await;
        for row in patiently(u64::MAX, || runtime.approvals(ApprovalQuery::default())).await? {
            let decide = || Decide {
                approval: row.id.clone(),
                decision: Decision::Approve,
                shown: Some(row.shown),
                reason: None,
            };
            match patiently(u64::MAX, || runtime.decide(decide(), &ann)).await {
                // It may be decided, or over, meanwhile.
                Ok(_) | Err(RunError::NotTaken { .. }) => {}
                Err(why) => return Err(why.into()),
            }
        }
    }
}

/// Makes what the project says of spending that of today.
pub(super) async fn limit(runtime: &Runtime, project: &Project) -> Result<(), Trouble> {
    let asker = asker("operator");
    patiently(u64::MAX, || runtime.limit(project, &asker)).await?;
    Ok(())
}

/// Makes what the project says of channels that of today.
pub(super) async fn channels(runtime: &Runtime, project: &Project) -> Result<(), Trouble> {
    let asker = asker("operator");
    patiently(u64::MAX, || runtime.channels(project, &asker)).await?;
    Ok(())
}

/// Changes the rules of today again and again; first releases what an earlier process left held. Without `go_on` that is all.
///
/// # Errors
/// The store fails.
pub(super) async fn govern(runtime: Runtime, go_on: bool, mut dice: Dice) -> Result<(), Trouble> {
    let asker = asker("operator");
    let charter = patiently(u64::MAX, || runtime.charter()).await?;
    for scope in charter.held().keys() {
        let generation = patiently(u64::MAX, || runtime.release(scope, "the other process is gone", &asker)).await?;
        say(&Said::Governed { what: format!("released {scope}"), generation })?;
    }
    if !go_on {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(Duration::from_millis(40 + dice.below(260))).await;
        if dice.below(2) == 0 {
            let second = dice.below(2) == 0;
            enact(&runtime, second).await?;
            let generation = patiently(u64::MAX, || runtime.charter()).await?.generation;
            say(&Said::Governed { what: "policies".to_owned(), generation })?;
            continue;
        }
        let scope = HELD[dice.below(HELD.len() as u64) as usize];
        let generation = patiently(u64::MAX, || runtime.hold(scope, "now and then", &asker)).await?;
        say(&Said::Governed { what: format!("held {scope}"), generation })?;
        tokio::time::sleep(Duration::from_millis(5 + dice.below(60))).await;
        let generation = patiently(u64::MAX, || runtime.release(scope, "over", &asker)).await?;
        say(&Said::Governed { what: format!("released {scope}"), generation })?;
    }
}

/// Tells the runs what was found out, once each. What is no longer unknown, or was sent again since, is left alone.
///
/// # Errors
/// The file cannot be read, or the store fails.
pub(super) async fn tell(runtime: &Runtime, words: &Path) -> Result<(), Trouble> {
    let unknown = patiently(u64::MAX, || runtime.effects(true)).await?;
    let mut told = Vec::new();
    for line in fs::read_to_string(words)?.lines() {
        let word: Word = serde_json::from_str(line)?;
        let same = |row: &store::OpenActionRow| {
            (row.run, &*row.action.step, row.action.attempt) == (word.run, word.step.as_str(), word.attempt)
        };
        // A message that is not read yet may be this very word, from a process that was killed right after it was taken.
        let row = runtime.store().run(word.run).await?;
        let unread = row.is_none_or(|row| row.inbox_gen > row.inbox_read);
        if unknown.iter().any(same) && !unread {
            told.push(word);
        }
    }
    for word in told {
        let outcome = || match word.output() {
            Some(output) => Outcome::Performed { output, external_id: None },
            None => Outcome::NotPerformed,
        };
        let (step, asker) = (StepPath::new(word.step.as_str()), asker("person"));
        patiently(u64::MAX, || {
            runtime.resolve(word.run, (&step, Some(word.attempt)), outcome(), "the ledger says so", &asker)
        })
        .await?;
        say(&Said::Resolved { run: word.run, step: word.step.clone(), performed: word.performed.is_some() })?;
    }
    Ok(())
}

/// Waits until a run asks a person what became of an action, and nothing else would wake it; gives what it says.
pub(super) async fn asked(runtime: &Runtime, run: RunId) -> Result<Arc<str>, StoreError> {
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let Some(row) = runtime.store().run(run).await? else { continue };
        let sleeps = row.status == Status::Waiting && row.wake_at.is_none() && row.inbox_gen == row.inbox_read;
        if let Some(waits_for) = row.waits_for.filter(|waits_for| sleeps && waits_for.contains("to resolve")) {
            return Ok(waits_for);
        }
    }
}

/// Resumes what a person would have to resume.
pub(super) async fn operate(runtime: Runtime) -> Result<(), Trouble> {
    let store = runtime.store().clone();
    // What quarantine holds is left alone until it was seen twice: a poisoned run must not come back at once.
    let mut seen = BTreeSet::new();
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let status = vec![Status::Paused, Status::Quarantined];
        let parked = store.runs(RunQuery { status, limit: 1_000, ..RunQuery::default() }).await?;
        for row in parked {
            let asked = row.wake_at.is_some() || row.inbox_gen > row.inbox_read;
            if &*row.workflow == "poison" || asked || !seen.insert((row.run, row.inbox_gen)) {
                continue;
            }
            match patiently(u64::MAX, || runtime.resume(row.run, "operator")).await {
                Ok(_) => {
                    let (status, waits_for) = (row.status.as_str().to_owned(), row.waits_for.unwrap_or_default());
                    say(&Said::Resumed { run: row.run, status, waits_for: waits_for.to_string() })?;
                }
                Err(RunError::Over { .. }) => {}
                Err(why) => return Err(why.into()),
            }
        }
    }
}
