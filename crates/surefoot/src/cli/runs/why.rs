use std::{collections::BTreeMap, sync::Arc};

use clap::Args;
use comfy_table::{Table, presets};
use kernel::{
    cache::Part,
    context::{Layer, Manifest},
    expr::Root,
    governance::{
        Verdict,
        budget::{Charged, PriceFrom},
        charter::Grounds,
    },
    ids::{FrameKey, StepPath},
    journal::{Event, Held, StepResult},
    step::{Kind, Step, proposals::Granted},
    values::{Money, Timestamp, Value},
    workflow::Program,
};
use serde_json::json;
use store::Store as _;

use super::{Found, OneRun, Place};
use crate::{
    cli::{
        Scene,
        graph::each_step,
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

/// Values by the name under which a step's expressions read them.
pub(in crate::cli) struct Origin {
    name: Arc<str>,
    /// Where it comes from: an entry, the input, an item.
    pub(in crate::cli) from: String,
    value: String,
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
    let exists = found.program.as_deref().is_some_and(|program| step(program, wanted).is_some());
    if exists {
        return Err(CliError::not_found(format!("run {} has not come to the step `{wanted}`", found.row.run)));
    }
    let mut names: Vec<&str> = all.iter().map(StepPath::name).collect();
    names.sort_unstable();
    names.dedup();
    let error = CliError::not_found(format!("run {} has no step `{wanted}`", found.row.run));
    Err(kernel::complaint::did_you_mean(wanted, names).into_iter().fold(error, CliError::hint))
}

/// A step of a program by its name.
fn step<'a>(program: &'a Program, name: &str) -> Option<&'a Step> {
    let mut found = None;
    for stage in &program.stages {
        each_step(&stage.steps, &mut |step| {
            if *step.name == *name {
                found = Some(step);
            }
        });
    }
    found
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
    let reads: Vec<_> = step
        .map(|step| origins(found, path, &roots(step)))
        .unwrap_or_default()
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
        for Origin { name, from, value } in origins(found, path, &roots(step)) {
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

/// The expressions of a step, as they were written.
fn expressions(step: &Step) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    if let Some(when) = &step.when {
        all.push(("when", when.source().to_owned()));
    }
    match &step.kind {
        Kind::Reason(reason) => {
            all.push(("asks", format!("{} by {}", reason.prompt.file, reason.model)));
            all.extend(reason.see.iter().map(|see| ("see", format!("{}: {}", see.name, see.from.source()))));
            all.extend(reason.check.iter().map(|check| ("check", check.source().to_owned())));
        }
        Kind::Act(act) => all.push(("acts", format!("{}.{}", act.tool.name, act.operation))),
        Kind::Agent(agent) => {
            let reason = agent.asks();
            all.push(("asks", format!("{} by {}", reason.prompt.file, reason.model)));
            all.push(("may", agent.granted.iter().map(Granted::action).collect::<Vec<_>>().join(", ")));
            all.extend(reason.see.iter().map(|see| ("see", format!("{}: {}", see.name, see.from.source()))));
            all.extend(reason.check.iter().map(|check| ("check", check.source().to_owned())));
        }
        Kind::Plan(plan) => {
            let reason = plan.asks();
            all.push(("asks", format!("{} by {}", reason.prompt.file, reason.model)));
            all.push(("may", plan.granted.iter().map(Granted::action).collect::<Vec<_>>().join(", ")));
            all.extend(reason.see.iter().map(|see| ("see", format!("{}: {}", see.name, see.from.source()))));
            let when = plan.review.as_ref().and_then(|review| review.when.as_ref());
            all.extend(when.map(|when| ("review", when.source().to_owned())));
        }
        Kind::Decide(decide) => {
            all.extend(decide.table.iter().map(|tabled| ("table", tabled.table.file.to_string())));
            all.extend(decide.rules.iter().map(|rule| {
                let line = format!("{} → {}", rule.when.source(), rule.then.join(", "));
                ("when", line)
            }));
        }
        Kind::Each(each) => all.push(("each", each.list.source().to_owned())),
        Kind::Wait(wait) => {
            all.extend(wait.until.iter().map(|until| ("until", until.source().to_owned())));
            all.extend(wait.events.iter().map(|event| ("event", event.name.to_string())));
        }
        Kind::Emit(emit) => all.push(("emits", emit.event.name.to_string())),
        Kind::Repeat(repeat) => all.extend(repeat.until.as_ref().map(|until| ("until", until.source().to_owned()))),
        Kind::Native(native) => all.push(("calls", native.function.to_string())),
        Kind::Approve(approve) => all.push(("asks", format!("{}: {}", approve.of.join(" or "), approve.ask.source()))),
        Kind::Handoff(handoff) => all.push(("hands", format!("{}: {}", handoff.to, handoff.task.source()))),
        Kind::Specialist(specialist) => {
            all.push(("hands", format!("workflow {}: {}", specialist.to, specialist.task.source())));
        }
        Kind::Verify(verify) => {
            all.extend(verify.read.as_ref().map(|read| ("reads", format!("{}.{}", read.tool.name, read.operation))));
            all.push(("holds", verify.holds.source().to_owned()));
        }
        Kind::Set(_) | Kind::Parallel(_) => {}
    }
    all
}

/// The names that a step's own expressions read, each once.
fn roots(step: &Step) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    let mut add = |roots: &[Root]| {
        for root in roots {
            // `output` is the step's own answer.
            if !names.contains(&root.name) && &*root.name != "output" {
                names.push(root.name.clone());
            }
        }
    };
    if let Some(when) = &step.when {
        add(when.roots());
    }
    match &step.kind {
        Kind::Reason(reason) => {
            reason.see.iter().for_each(|see| add(see.from.roots()));
            reason.check.iter().for_each(|check| add(check.roots()));
        }
        Kind::Act(act) => act.with.iter().for_each(|with| add(with.roots())),
        Kind::Agent(agent) => {
            agent.asks().see.iter().for_each(|see| add(see.from.roots()));
            agent.asks().check.iter().for_each(|check| add(check.roots()));
        }
        Kind::Plan(plan) => plan.asks().see.iter().for_each(|see| add(see.from.roots())),
        Kind::Decide(decide) => {
            decide.rules.iter().for_each(|rule| add(rule.when.roots()));
            decide.table.iter().for_each(|tabled| add(tabled.with.roots()));
        }
        Kind::Set(set) => add(set.value.roots()),
        Kind::Each(each) => add(each.list.roots()),
        Kind::Wait(wait) => {
            wait.until.iter().for_each(|until| add(until.roots()));
            wait.events.iter().filter_map(|event| event.key.as_ref()).for_each(|key| add(key.roots()));
        }
        Kind::Emit(emit) => {
            emit.event.key.iter().chain(&emit.data).for_each(|template| add(template.roots()));
        }
        Kind::Native(native) => native.with.iter().for_each(|with| add(with.roots())),
        Kind::Approve(approve) => {
            add(approve.ask.roots());
            approve.evidence.iter().for_each(|evidence| add(evidence.roots()));
        }
        Kind::Handoff(handoff) => {
            add(handoff.task.roots());
            handoff.with.iter().for_each(|with| add(with.roots()));
        }
        Kind::Specialist(specialist) => {
            add(specialist.task.roots());
            specialist.with.iter().for_each(|with| add(with.roots()));
        }
        Kind::Verify(verify) => {
            verify.read.iter().filter_map(|read| read.with.as_ref()).for_each(|with| add(with.roots()));
            add(verify.holds.roots());
        }
        Kind::Parallel(parallel) => {
            parallel.branches.iter().filter_map(|branch| branch.when.as_ref()).for_each(|when| add(when.roots()))
        }
        Kind::Repeat(repeat) => repeat.until.iter().for_each(|until| add(until.roots())),
    }
    names
}

/// Where the values under `names` came from, as the step at `path` saw them.
pub(in crate::cli) fn origins(found: &Found, path: &StepPath, names: &[Arc<str>]) -> Vec<Origin> {
    let mut values: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let mut items: BTreeMap<String, (u64, Held)> = BTreeMap::new();
    for entry in &found.entries {
        let Ok(event) = entry.event() else { continue };
        if let Some((step, gave)) = event.completes() {
            let gave = gave.map_or_else(
                || kernel::story::line(&event).split_once(": ").map(|(_, said)| said.to_owned()).unwrap_or_default(),
                kernel::story::held,
            );
            values.insert(step.as_str().to_owned(), (entry.seq, gave));
        }
        // Each step of a stage whose result was used again has its value from there.
        if let Event::PartReused { part: Part::Stage(_), output: Held::Value(output), .. } = &event
            && let Some(Value::Map(gave)) = output.get("gave")
        {
            values
                .extend(gave.iter().map(|(step, value)| (step.to_string(), (entry.seq, kernel::story::short(value)))));
        }
        if let Event::EachOpened { step, items: list, .. } = event {
            items.insert(step.as_str().to_owned(), (entry.seq, list));
        }
    }
    names.iter().filter_map(|name| origin(found, path, name, &values, &items)).collect()
}

fn origin(
    found: &Found,
    path: &StepPath,
    name: &Arc<str>,
    values: &BTreeMap<String, (u64, String)>,
    items: &BTreeMap<String, (u64, Held)>,
) -> Option<Origin> {
    let made = |from: String, value: String| Some(Origin { name: name.clone(), from, value });
    if &**name == "input" {
        let input = &found.state.start.as_ref()?.input;
        return made("the run's input, entry 1".to_owned(), kernel::story::held(input));
    }
    // From the innermost body outwards: `a[1]/b.left/` then `a[1]/` then nothing.
    let text = path.as_str();
    let mut prefix = text.rfind('/').map_or("", |at| &text[..=at]);
    loop {
        if let Some((seq, value)) = values.get(&format!("{prefix}{name}")) {
            return made(format!("entry {seq}"), value.clone());
        }
        let body = prefix.strip_suffix('/')?;
        let (outer, last) = body.rsplit_once('/').map_or(("", body), |(outer, last)| (outer, last));
        let step = StepPath::new(body);
        if let Some(found_item) = item(found, &step, last, outer, name, items) {
            return made(found_item.0, found_item.1);
        }
        prefix = if outer.is_empty() { "" } else { &text[..=outer.len()] };
        if prefix.is_empty() {
            return values.get(&**name).and_then(|(seq, value)| made(format!("entry {seq}"), value.clone()));
        }
    }
}

/// The item of the `each` whose body this is, if `name` is what the body calls it.
fn item(
    found: &Found,
    body: &StepPath,
    last: &str,
    outer: &str,
    name: &str,
    items: &BTreeMap<String, (u64, Held)>,
) -> Option<(String, String)> {
    let segment = body.segments().last()?;
    let Some(FrameKey::Index(index)) = segment.frame else { return None };
    let Kind::Each(each) = &step(found.program.as_deref()?, segment.name)?.kind else { return None };
    if name == "index" {
        return Some((format!("the place in {}", segment.name), index.to_string()));
    }
    if name != "item" && *name != *each.name {
        return None;
    }
    let open = last.replace(&format!("[{index}]"), "");
    let key = if outer.is_empty() { open } else { format!("{outer}/{open}") };
    let (seq, list) = items.get(&key)?;
    let value = match list {
        Held::Value(Value::List(list)) => kernel::story::short(list.get(index as usize)?),
        held => kernel::story::held(held),
    };
    Some((format!("item {index} of entry {seq}"), value))
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
