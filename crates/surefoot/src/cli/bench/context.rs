//! What the model calls of recorded runs were shown: against everything that their runs knew, against prompts written by hand, and
//! how much of it a provider's cache can hold.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use clap::Args;
use kernel::{
    complaint::Complaint,
    context::{Manifest, text_at, tokens_of},
    expr::Text,
    ids::Digest,
    journal::{End, Entry, Event},
    workflow::Program,
    yaml,
};
use runtime::asked::Past;
use serde_json::json;
use store::{RunQuery, RunRow, Store};

use crate::{
    cli::{
        Folder, Scene,
        session::{self, Data},
    },
    error::CliError,
    seen::Seen,
};

/// Whose runs.
#[derive(Clone, Debug, Args)]
pub(super) struct Context {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    data: Data,
    /// Only runs of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// A YAML file with a prompt for each step, by its name or by `workflow/step`, as a person would write it: texts whose holes read what the step could
    #[arg(long, value_name = "FILE")]
    hand: Option<PathBuf>,
}

/// What is counted of one workflow.
#[derive(Default)]
struct Sums {
    runs: u64,
    accepted: u64,
    seen: Seen,
    /// How often each prefix was sent: that of the workflow, and by step the whole of it.
    shared: BTreeMap<Digest, u64>,
    whole: BTreeMap<Arc<str>, BTreeMap<Digest, u64>>,
    /// The tokens that all calls could read from a cache.
    cacheable: u64,
    /// Tokens of prompts written by hand, and the calls that they are of.
    by_hand: (u64, u64),
}

/// One line for each workflow, from all runs of the data directory.
pub(super) async fn run(scene: &Scene, context: &Context) -> Result<(), CliError> {
    let store = context.data.open_existing(&context.folder.folder)?;
    let hand = context.hand.as_deref().map(read_hand).transpose()?;
    let mut query =
        RunQuery { workflow: context.workflow.as_deref().map(Into::into), limit: 500, ..RunQuery::default() };
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    loop {
        let page = store.runs(query.clone()).await?;
        let Some(last) = page.last() else { break };
        query.before = Some(last.run);
        for row in &page {
            let entries = session::journal(&*store, row.run).await?;
            let journal: Vec<(Entry, Event)> =
                entries.into_iter().filter_map(|entry| entry.event().ok().map(|event| (entry, event))).collect();
            let sum = sums.entry(row.workflow.to_string()).or_default();
            sum.count(&journal);
            if let Some(hand) = &hand {
                let (tokens, calls) = written_by_hand(&*store, row, &journal, hand).await?;
                sum.by_hand = (sum.by_hand.0 + tokens, sum.by_hand.1 + calls);
            }
        }
    }
    if sums.is_empty() {
        let error =
            CliError::not_found(format!("there are no runs in {}", context.data.dir(&context.folder.folder).display()));
        return Err(error.hint("`surefoot run` makes some"));
    }
    for (workflow, sum) in &sums {
        scene.out.object(&sum.line(workflow));
    }
    Ok(())
}

impl Sums {
    fn count(&mut self, journal: &[(Entry, Event)]) {
        self.runs += 1;
        self.seen = self.seen.and(Seen::of(journal));
        for (_, event) in journal {
            match event {
                Event::RunFinished { end: End::Completed, .. } => self.accepted += 1,
                Event::ModelAsked { step, manifest, .. } => self.prefixes(step.name(), manifest),
                _ => {}
            }
        }
    }

    fn prefixes(&mut self, step: &str, manifest: &Manifest) {
        let (Some(first), Some(last)) = (manifest.edges.first(), manifest.edges.last()) else { return };
        *self.shared.entry(first.prefix).or_default() += 1;
        *self.whole.entry(step.into()).or_default().entry(last.prefix).or_default() += 1;
        self.cacheable += last.at.div_ceil(3);
    }

    fn line(&self, workflow: &str) -> serde_json::Value {
        let Seen { calls, shown, everything, billed } = self.seen;
        let most = |prefixes: &BTreeMap<Digest, u64>| prefixes.values().copied().max().unwrap_or(0);
        let whole: u64 = self.whole.values().map(most).sum();
        let mut line = json!({
            "bench": "context", "workflow": workflow, "runs": self.runs, "accepted": self.accepted, "model_calls": calls,
            "tokens_shown": shown, "tokens_everything": everything, "tokens_billed": billed,
            "everything_to_shown": super::ratio(everything, shown.max(1)),
            "shown_per_run": shown / self.runs.max(1), "everything_per_run": everything / self.runs.max(1),
            "shown_per_accepted": shown.checked_div(self.accepted),
            "everything_per_accepted": everything.checked_div(self.accepted),
            "prefix_shared": super::ratio(most(&self.shared), calls.max(1)),
            "prefix_of_stage_shared": super::ratio(whole, calls.max(1)),
            "prefix_tokens_per_call": self.cacheable / calls.max(1),
        });
        let (tokens, of) = self.by_hand;
        if of > 0 {
            line["hand_calls"] = json!(of);
            line["tokens_by_hand"] = json!(tokens);
            line["by_hand_per_accepted"] = json!(tokens.checked_div(self.accepted));
            if of == calls {
                line["shown_to_by_hand"] = json!(super::ratio(shown, tokens.max(1)));
            }
        }
        line
    }
}

/// The prompts of a file, by step; of a step whose name several workflows have, by `workflow/step`.
fn read_hand(file: &std::path::Path) -> Result<BTreeMap<Arc<str>, Text>, CliError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CliError::io(format!("{} cannot be read", file.display()), error))?;
    let wrong = |complaint: Complaint| CliError::usage(complaint.to_string());
    let node = yaml::parse(&file.display().to_string().into(), &text).map_err(wrong)?;
    let yaml::Kind::Map(entries) = &node.kind else {
        return Err(CliError::usage(format!("{} holds no map of steps to prompts", file.display())));
    };
    entries.iter().map(|(key, node)| Ok((key.text.clone(), Text::of_node(node).map_err(wrong)?))).collect()
}

/// How many tokens the prompts written by hand have, each filled in the state in which its step asked, and how many calls that was.
async fn written_by_hand(
    store: &dyn Store,
    row: &RunRow,
    journal: &[(Entry, Event)],
    hand: &BTreeMap<Arc<str>, Text>,
) -> Result<(u64, u64), CliError> {
    let Some(bundle) = store.bundle(row.bundle).await? else { return Ok((0, 0)) };
    let Ok(program) = Program::load(&bundle, &row.workflow) else { return Ok((0, 0)) };
    let mut past = Past::new(store, row.run);
    let (mut tokens, mut calls) = (0, 0);
    for (entry, event) in journal {
        if past.apply(entry, event.clone()).is_err() {
            break;
        }
        let Event::ModelAsked { step, .. } = event else { continue };
        let named = format!("{}/{}", row.workflow, step.name());
        let Some(text) = hand.get(&*named).or_else(|| hand.get(step.name())) else { continue };
        let filled = past.make(|state, blobs| text_at(&program, state, step, text, blobs)).await?;
        let filled = filled.map_err(|why| {
            CliError::usage(format!("the prompt for `{step}` cannot be filled in {}", row.run)).caused_by(why)
        })?;
        (tokens, calls) = (tokens + tokens_of(&filled), calls + 1);
    }
    Ok((tokens, calls))
}
