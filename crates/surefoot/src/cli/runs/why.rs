use clap::Args;
use comfy_table::{Table, presets};
use kernel::{
    context::{Layer, Manifest},
    governance::{
        Verdict,
        budget::{Charged, PriceFrom},
        charter::Grounds,
    },
    ids::StepPath,
    journal::{Event, Held, StepResult},
    step::Step,
    values::{Money, Timestamp},
    why::{Origin, expressions},
};
use serde_json::json;
use store::Store as _;

use super::{Found, OneRun, Place};
use crate::{
    cli::{
        Scene,
        out::{FAINT, STRONG, paint, plain},
    },
    error::CliError,
    exit::Exit,
};

/// Show where a step's value comes from: what the model was shown, or the values that an expression read
#[derive(Debug, Args)]
pub(in crate::cli) struct Why {
    /// The run: its id, four or more characters of its beginning or end, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// The step: its name, or its path as in `entries[1]/save`
    #[arg(value_name = "STEP")]
    step: String,
    #[command(flatten)]
    place: Place,
}

impl Why {
    pub(super) async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let found = OneRun { run: self.run.clone(), place: self.place }.read().await?;
        let paths = paths(&found, &self.step)?;
        for path in paths {
            if scene.out.json {
                scene.out.object(&as_json(&found, &path));
            } else {
                tell(scene, &found, &path).await?;
            }
        }
        Ok(Exit::Ok)
    }
}

/// The paths that a person may mean.
fn paths(found: &Found, wanted: &str) -> Result<Vec<StepPath>, CliError> {
    let mut all: Vec<StepPath> = Vec::new();
    for event in found.entries.iter().filter_map(|entry| entry.event().ok()) {
        if matches!(event, Event::BodyDone { .. } | Event::TurnDone { .. }) {
            continue;
        }
        if let Some(step) = event.step()
            && !all.contains(step)
        {
            all.push(step.clone());
        }
    }
    if let Some(path) = all.iter().find(|path| path.as_str() == wanted) {
        return Ok(vec![path.clone()]);
    }
    let named: Vec<StepPath> = all.iter().filter(|path| path.name() == wanted).cloned().collect();
    if !named.is_empty() {
        return Ok(named);
    }
    let exists = found.program.as_deref().is_some_and(|program| program.step(wanted).is_some());
    if exists {
        return Err(CliError::not_found(format!("run {} has not come to the step `{wanted}`", found.row.run)));
    }
    let mut names: Vec<&str> = all.iter().map(StepPath::name).collect();
    names.sort_unstable();
    names.dedup();
    let error = CliError::not_found(format!("run {} has no step `{wanted}`", found.row.run));
    Err(kernel::complaint::did_you_mean(wanted, names).into_iter().fold(error, CliError::hint))
}

/// Everything that the journal says of a path, as objects.
fn as_json(found: &Found, path: &StepPath) -> serde_json::Value {
    let entries: Vec<_> = found
        .entries
        .iter()
        .filter_map(|entry| Some((entry, entry.event().ok()?)))
        .filter(|(_, event)| event.step() == Some(path))
        .map(|(entry, event)| json!({ "seq": entry.seq, "at": entry.at.to_string(), "event": event }))
        .collect();
    let step = found.program.as_deref().and_then(|program| program.step_at(path));
    let reads: Vec<_> = found
        .origins()
        .of_step(path)
        .into_iter()
        .map(|origin| json!({ "name": origin.name, "from": origin.from, "value": origin.value }))
        .collect();
    json!({ "step": path, "kind": step.map(Step::kind), "reads": reads, "entries": entries })
}

async fn tell(scene: &Scene, found: &Found, path: &StepPath) -> Result<(), CliError> {
    let out = &scene.out;
    let step = found.program.as_deref().and_then(|program| program.step_at(path));
    let kind = step.map_or("step", Step::kind);
    let file = found.program.as_ref().map(|program| program.file.to_string()).unwrap_or_default();
    let line = step.map(|step| format!(" · {file}:{}", step.at.line)).unwrap_or_default();
    out.line(format!("{} {}", paint(STRONG, path), paint(FAINT, format!("{kind}{line}"))));
    if let Some(step) = step {
        for (what, source) in expressions(step) {
            out.line(format!("  {} {source}", paint(FAINT, format!("{what:<8}"))));
        }
        for Origin { name, from, value, .. } in found.origins().of_step(path) {
            out.line(format!(
                "  {} {name} = {} {}",
                paint(FAINT, "reads   "),
                plain(&value),
                paint(FAINT, format!("({from})"))
            ));
        }
    }
    for entry in &found.entries {
        let Ok(event) = entry.event() else { continue };
        if event.step() != Some(path) {
            continue;
        }
        let line = kernel::story::line(&event);
        let said = line.split_once(": ").map_or(line.as_str(), |(_, said)| said);
        out.line(format!("  {} {}", paint(FAINT, format!("entry {:<3}", entry.seq)), plain(said)));
        detail(scene, found, &event).await?;
    }
    Ok(())
}

/// What a call was charged, and by which price.
fn priced(charged: &Charged) -> String {
    let money = Money::from_micros(charged.money_uusd);
    let by = match (&charged.by, &charged.price) {
        (PriceFrom::Free, _) => "it bills nothing".to_owned(),
        (PriceFrom::Unknown, _) => return "nobody said what it costs".to_owned(),
        (PriceFrom::Own, Some(price)) => format!("the project's price of {}", day(price.as_of)),
        (PriceFrom::Own, None) => "the project's price".to_owned(),
        (PriceFrom::List(list), _) => list.to_string(),
    };
    let forfeit = if charged.forfeit { ", all that was set aside: what it really cost is not known" } else { "" };
    format!("charged {money}, by {by}{forfeit}").replace("by it bills", "it bills")
}

/// The day alone.
fn day(at: Timestamp) -> String {
    let text = at.to_string();
    text.split('T').next().unwrap_or(&text).to_owned()
}

/// What one line cannot say.
async fn detail(scene: &Scene, found: &Found, event: &Event) -> Result<(), CliError> {
    let out = &scene.out;
    match event {
        Event::ModelAsked { manifest, .. } => shown(scene, manifest),
        Event::ModelAnswered { result, usage, claims, charged, .. } => {
            out.line(format!(
                "            billed {} tokens in, {} out",
                usage.tokens() - usage.output - usage.reasoning,
                usage.output + usage.reasoning
            ));
            charged.iter().for_each(|charged| out.line(format!("            {}", plain(&priced(charged)))));
            claims.iter().for_each(|claim| out.line(format!("            claim {}", plain(&claim.to_string()))));
            whole(scene, found, result).await?;
        }
        Event::ActionStarted { proposal, verdict, key, grounds, .. } => {
            if let Verdict::Allow { rule, policy, .. } = verdict {
                let by = match grounds.as_deref().and_then(|grounds| grounds.approval.as_ref()) {
                    Some(_) => format!("people, as {rule} asks"),
                    None => rule.to_string(),
                };
                out.line(format!("            allowed by {by} (rules {}), key {key}", policy.short()));
            }
            rulings(out, verdict, grounds.as_deref());
            out.line(format!("            with {}", value(found, &proposal.with).await?));
        }
        Event::ActionJudged { proposal, verdict, grounds, .. } => {
            rulings(out, verdict, grounds.as_deref());
            out.line(format!("            with {}", value(found, &proposal.with).await?));
        }
        Event::ApprovalRequested { proposal, verdict, terms, grounds, .. } => {
            if let Some(verdict) = verdict {
                rulings(out, verdict, grounds.as_deref());
            }
            let until = terms.expires_at.map(|at| format!(", until {at}")).unwrap_or_default();
            out.line(format!("            asks {}{until}", kernel::story::whom(terms)));
            if let Some(proposal) = proposal {
                out.line(format!("            with {}", value(found, &proposal.with).await?));
            }
        }
        Event::VoteReceived { vote, .. } => {
            let reason = vote.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            out.line(format!("            known by {}, at {}{reason}", vote.auth, vote.at));
        }
        Event::WorkOpened { card, .. } => out.line(format!("            card {}", value(found, card).await?)),
        Event::WorkAnswered { auth, at, output, .. } => {
            out.line(format!("            known by {auth}, at {at}, says {}", value(found, output).await?));
        }
        Event::ActionFinished { result, .. } => whole(scene, found, result).await?,
        Event::Decided { saw, .. } => out.line(format!("            saw {}", plain(&saw.to_json()))),
        Event::StepDone { output, .. }
        | Event::WaitEnded { output, .. }
        | Event::AnswerReused { output, .. }
        | Event::PartReused { output, .. } => {
            out.line(format!("            value {}", value(found, output).await?));
        }
        _ => {}
    }
    Ok(())
}

async fn whole(scene: &Scene, found: &Found, result: &StepResult) -> Result<(), CliError> {
    if let StepResult::Done(held) = result {
        scene.out.line(format!("            value {}", value(found, held).await?));
    }
    Ok(())
}

/// A held value in full, also when it is a blob.
async fn value(found: &Found, held: &Held) -> Result<String, CliError> {
    const MOST: usize = 4000;
    let text = match held {
        Held::Value(value) => value.to_json(),
        Held::Blob(blob) => match found.store.blob(found.row.run, blob.digest).await? {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => format!("blob {}, which is not there", blob.digest),
        },
    };
    let text = plain(&text);
    if text.chars().count() <= MOST {
        return Ok(text);
    }
    let cut: String = text.chars().take(MOST).collect();
    Ok(format!("{cut}… ({} bytes)", text.len()))
}

/// The manifest as a table: what the model was shown, piece by piece.
fn shown(scene: &Scene, manifest: &Manifest) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for segment in &manifest.segments {
        let layer = match segment.layer {
            Layer::Shared => "shared",
            Layer::Stage => "stage",
            Layer::Task => "task",
        };
        let source = segment.source.as_deref().map(|source| format!("from {source}")).unwrap_or_default();
        let reduced = segment.reduced.as_deref().unwrap_or_default();
        let size = format!("~{} tokens", segment.tokens_est);
        table.add_row([layer, &segment.id, &source, &size, &segment.digest.short(), reduced]);
    }
    table.lines().for_each(|line| scene.out.line(format!("           {}", line.trim_end())));
    scene.out.line(format!("            request {}", manifest.request));
}

/// The rules that decided: id, place, and the values that made them true.
fn rulings(out: &crate::cli::Out, verdict: &Verdict, grounds: Option<&Grounds>) {
    for ruling in verdict.rulings() {
        out.line(format!("            rule {}", plain(&ruling.to_string())));
        if let Some(reason) = &ruling.reason {
            out.line(format!("                 {}", plain(reason)));
        }
    }
    let Some(grounds) = grounds else { return };
    if !grounds.labels.is_empty() {
        out.line(format!("            labels {}", grounds.labels.join(", ")));
    }
    if let Some(approval) = &grounds.approval {
        out.line(format!("            approved by {} ({})", approval.by.join(", "), approval.id));
    }
}
