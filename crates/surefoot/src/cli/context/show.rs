use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use kernel::context::{Layer, Manifest, Segment};
use runtime::asked::{self, Asked};
use serde_json::json;

use crate::{
    cli::{
        Scene,
        out::{FAINT, GOOD, OUTSIDE, STRONG, WAIT, paint, plain},
        runs::{Found, OneRun, Place},
    },
    error::CliError,
    exit::Exit,
};

/// Show what models were shown in a run: how much of each layer, each piece with its source, its labels and how it was cut
///
/// The requests are made again from the journal and compared with the digest that was recorded before they were sent.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The run: its id, four or more characters of its beginning or end, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// The step: its name, its path as in `entries[1]/save`, or `*` for all
    #[arg(value_name = "STEP", default_value = "*")]
    step: String,
    #[command(flatten)]
    place: Place,
    /// Only this sending of the step, from 1
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    /// Print the texts exactly as they were sent
    #[arg(long)]
    text: bool,
}

impl Show {
    pub(super) async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let found = OneRun { run: self.run.clone(), place: self.place }.read().await?;
        let Some(program) = &found.program else {
            let error = CliError::not_found(format!("the bundle of {} cannot be read by this version", found.row.run));
            return Err(error.hint("`surefoot runs why RUN STEP` tells what its journal says"));
        };
        let all = asked::all(&*found.store, found.row.run, &found.entries, program).await?;
        let wanted = |one: &&Asked| {
            (self.step == "*" || one.step.as_str() == self.step || one.step.name() == self.step)
                && self.attempt.is_none_or(|attempt| attempt == one.attempt)
        };
        let chosen: Vec<&Asked> = all.iter().filter(wanted).collect();
        if chosen.is_empty() {
            return Err(none(&found, &all, &self.step, self.attempt));
        }
        for one in chosen {
            if scene.out.json {
                scene.out.object(&as_json(&found, one, self.text));
            } else {
                tell(scene, &found, one, self.text);
            }
        }
        Ok(Exit::Ok)
    }
}

fn none(found: &Found, all: &[Asked], step: &str, attempt: Option<u32>) -> CliError {
    if all.is_empty() {
        return CliError::not_found(format!("run {} has asked no model", found.row.run));
    }
    let times = attempt.map(|attempt| format!(" in attempt {attempt}")).unwrap_or_default();
    let sent = all.iter().filter(|one| one.step.as_str() == step || one.step.name() == step);
    let last = sent.map(|one| one.attempt).max();
    let error = CliError::not_found(format!("run {} has asked no model for `{step}`{times}", found.row.run));
    if let Some(last) = last {
        return error.hint(format!("its last attempt is {last}"));
    }
    let mut names: Vec<&str> = all.iter().map(|one| one.step.name()).collect();
    names.sort_unstable();
    names.dedup();
    let near = kernel::complaint::did_you_mean(step, names.iter().copied());
    error.hint(near.unwrap_or_else(|| format!("it has for {}", names.join(", "))))
}

/// Where an item came from, as entries.
fn entries(found: &Found, one: &Asked, segment: &Segment) -> Vec<String> {
    let origins = segment.source.iter().flat_map(|source| found.origins().of_expression(&one.step, source));
    origins.map(|origin| origin.from).collect()
}

fn as_json(found: &Found, one: &Asked, text: bool) -> serde_json::Value {
    let segments: Vec<_> = one
        .manifest
        .segments
        .iter()
        .map(|segment| {
            let mut object = json!(segment);
            object["from"] = json!(entries(found, one, segment));
            object
        })
        .collect();
    let mut object = json!({
        "run": found.row.run, "step": one.step, "entry": one.seq, "attempt": one.attempt, "model": one.model,
        "tokens_est": one.manifest.tokens_est, "segments": segments, "edges": one.manifest.edges,
        "request": one.manifest.request, "output_schema": one.manifest.output_schema,
        "billed": one.usage, "made_again": one.request.is_ok(),
    });
    match &one.request {
        Ok(request) if text => {
            object["system"] = json!(request.system);
            object["user"] = json!(request.user);
        }
        Ok(_) => {}
        Err(why) => object["why_not"] = json!(why.to_string()),
    }
    object
}

fn name(layer: Layer) -> &'static str {
    match layer {
        Layer::Shared => "shared",
        Layer::Stage => "stage",
        Layer::Task => "task",
    }
}

fn tell(scene: &Scene, found: &Found, one: &Asked, text: bool) {
    let out = &scene.out;
    let again = if one.attempt > 1 { format!(", attempt {}", one.attempt) } else { String::new() };
    let billed = one.usage.map(|usage| {
        let cached =
            if usage.cache_read > 0 { format!(" ({} of them cached)", usage.cache_read) } else { String::new() };
        format!(
            ", billed {} in{cached}, {} out",
            usage.tokens() - usage.output - usage.reasoning,
            usage.output + usage.reasoning
        )
    });
    let about = format!(
        "entry {}{again}, model {}, about {} tokens{}",
        one.seq,
        one.model,
        one.manifest.tokens_est,
        billed.unwrap_or_default()
    );
    out.line(format!("{} {}", paint(STRONG, &one.step), paint(FAINT, about)));
    out.line(format!("  {}", bar(&one.manifest)));
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for segment in &one.manifest.segments {
        let mut from = entries(found, one, segment).join(", ");
        if let Some(source) = &segment.source {
            from = if from.is_empty() { source.to_string() } else { format!("{source} ({from})") };
        }
        let labels = segment.labels.join(" ");
        let reduced = segment.reduced.as_deref().unwrap_or_default();
        table.add_row([
            name(segment.layer),
            &segment.id,
            &segment.tokens_est.to_string(),
            &from,
            &labels,
            reduced,
            &segment.digest.short(),
        ]);
    }
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.lines().for_each(|line| out.line(format!("  {}", line.trim_end())));
    for edge in &one.manifest.edges {
        let about = format!("after {} bytes of the system text, prefix {}", edge.at, edge.prefix.short());
        out.line(format!("  {} {about}", paint(FAINT, format!("edge {:<6}", name(edge.layer)))));
    }
    match &one.request {
        Ok(_) => out.line(format!("  {} {}", paint(GOOD, "request"), one.manifest.request)),
        Err(why) => out.line(format!("  {} {why}", paint(WAIT, "request"))),
    }
    if let (Ok(request), true) = (&one.request, text) {
        for (what, text) in [("system", &request.system), ("user", &request.user)] {
            out.line(paint(FAINT, format!("--- {what}, {} bytes", text.len())));
            // Line breaks stay; what else a terminal would obey does not.
            text.split('\n').for_each(|line| out.line(plain(line)));
        }
        out.line(paint(FAINT, "---"));
    }
}

/// How wide the bar is, in characters.
const WIDE: u64 = 60;

/// The layers side by side: a sign for each part of the whole, and a mark where what a cache can hold ends.
fn bar(manifest: &Manifest) -> String {
    let total = manifest.tokens_est.max(1);
    let (mut signs, mut said) = (Vec::new(), Vec::new());
    for (layer, sign, style) in [(Layer::Shared, '█', OUTSIDE), (Layer::Stage, '▓', GOOD), (Layer::Task, '░', WAIT)]
    {
        let of = manifest.segments.iter().filter(|segment| segment.layer == layer);
        let tokens: u64 = of.map(|segment| segment.tokens_est).sum();
        if tokens > 0 {
            signs.extend((0..(tokens * WIDE / total).max(1)).map(|_| paint(style, sign)));
            said.push(format!("{} {tokens} ({} %)", name(layer), (tokens * 100 + total / 2) / total));
        }
    }
    if let Some(edge) = manifest.edges.last() {
        let at = usize::try_from(edge.at.div_ceil(3) * WIDE / total).unwrap_or(usize::MAX);
        signs.insert(at.min(signs.len()), "‖".to_owned());
    }
    format!("{}  {}", signs.concat(), paint(FAINT, said.join(", ")))
}
