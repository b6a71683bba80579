use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, builder::NonEmptyStringValueParser};
use kernel::{
    governance::people::PEOPLE_FILE,
    ids::RunId,
    journal::End,
    report::Tally,
    values::{Money, Value},
    workflow::{
        Program,
        project::{Project, Provider, Sources},
    },
    yaml,
};
use serde_json::json;
use store::{
    Status, Store,
    sqlite::{SqliteOptions, SqliteStore},
};

use super::{
    Folder, Scene, Told, check, crash,
    graph::find,
    out::{BAD, FAINT, GOOD, STRONG, WAIT, count, paint, plain},
    session::{self, Data, Detach, Driver, Rest},
};
use crate::{
    embed::Surefoot,
    error::CliError,
    exit::Exit,
    seen::Seen,
    story::{self, Story},
};

/// Unfinished runs that are told one by one.
const TOLD: usize = 3;

/// Run a workflow of a project, here and now
///
/// Without further words it takes what `try:` in surefoot.yaml says. Each line of the story is durable before it is shown. Whatever an
/// earlier process left unfinished in the data directory goes on by itself.
///
/// With `--crash-at STEP` the run is done in a second process, which is killed (SIGKILL) when it has reached STEP; then the run goes on
/// in this one, and what was done twice is counted: nothing.
#[derive(Clone, Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    folder: Folder,
    /// Which workflow [default: that of `try:`, or the only one]
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// The input: a YAML or JSON file, or JSON itself
    #[arg(long, value_name = "FILE|JSON")]
    input: Option<PathBuf>,
    /// Set a part of the input, as in `tier=gold` or `order.items=3`; JSON is read as JSON, all else is a text
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The same key with the same input is one run, however often it is started
    #[arg(long)]
    key: Option<String>,
    /// Who starts it: a person of people.yaml. Recorded as known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: Option<String>,
    /// The profile of surefoot.yaml to use, or `none` [default: SUREFOOT_PROFILE, else that of `profile:`]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    #[command(flatten)]
    data: Data,
    /// Kill the process in the middle of this step and go on
    #[arg(long, value_name = "STEP", conflicts_with = "resume")]
    crash_at: Option<String>,
    /// Whether to leave while the run only waits
    #[arg(long, value_enum, default_value_t = Detach::Auto)]
    detach: Detach,
    /// Start nothing; only go on with what is unfinished
    #[arg(long, conflicts_with_all = ["workflow", "input", "set", "key", "by"])]
    resume: bool,
    /// The step at which this process stops and waits to be killed
    #[arg(long, hide = true, value_name = "STEP")]
    crash_child: Option<String>,
}

/// What is to be started.
pub(super) struct Wanted {
    pub workflow: Arc<str>,
    pub input: Value,
    pub key: Option<String>,
    pub by: Option<String>,
}

/// A checked project and everything about this call.
pub(super) struct Plan {
    pub folder: PathBuf,
    pub dir: PathBuf,
    pub sources: Sources,
    pub project: Project,
    pub wanted: Option<Wanted>,
    pub detach: Detach,
    pub profile: Option<String>,
}

impl Run {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let folder = self.folder.folder.clone();
        let (sources, project) = check::checked(scene, &folder)?;
        let mut wanted = if self.resume { None } else { Some(self.wanted(&sources, &project)?) };
        if let Some(wanted) = &mut wanted
            && wanted.key.is_none()
        {
            wanted.key = (scene.application.key)(&wanted.workflow, &wanted.input);
        }
        if let Some(by) = wanted.as_ref().and_then(|wanted| wanted.by.as_deref())
            && sources.get(PEOPLE_FILE).is_some()
            && project.people.person(by).is_none()
        {
            let ids = project.people.ids().map(|id| &**id);
            let meant = kernel::complaint::did_you_mean(by, ids).map(|text| format!(": {text}")).unwrap_or_default();
            scene.out.aside(paint(WAIT, format!("`{by}` is not in people.yaml{meant}")));
        }
        let dir = self.data.dir(&folder);
        let plan = Plan { folder, dir, sources, project, wanted, detach: self.detach, profile: self.profile.clone() };
        match (&self.crash_at, &self.crash_child) {
            (Some(step), _) => crash::run(scene, &plan, step),
            (None, Some(step)) => {
                let trip = crash::Trip::new(step, &crash::reached(&plan)?);
                scene.block_on(async { go(scene, &plan, plan.open()?, Some(trip)).await })
            }
            (None, None) => scene.block_on(async { go(scene, &plan, plan.open()?, None).await }),
        }
    }

    fn wanted(&self, sources: &Sources, project: &Project) -> Result<Wanted, CliError> {
        let tried = project.file.try_run.as_ref();
        let workflow = match (&self.workflow, tried) {
            (Some(name), _) => find(&project.workflows, name)?.name.clone(),
            (None, Some(tried)) => tried.workflow.clone(),
            (None, None) => {
                let mut names = project.workflows.keys();
                match (names.next(), names.next()) {
                    (Some(only), None) => only.clone(),
                    _ => {
                        let names: Vec<&str> = project.workflows.keys().map(|name| &**name).collect();
                        let error =
                            CliError::usage("the project has several workflows, and nothing says which is meant");
                        return Err(error.hint(format!("`--workflow NAME`, one of {}", names.join(", "))));
                    }
                }
            }
        };
        let tried = tried.filter(|tried| tried.workflow == workflow).and_then(|tried| tried.input.as_ref());
        let mut input = match (&self.input, tried) {
            (Some(given), _) => given_input(given)?,
            (None, Some(path)) => {
                let text = sources.get(path).map_or("", |text| text);
                parse(path, text)?
            }
            (None, None) => Value::map::<&str>([]),
        };
        for pair in &self.set {
            input = set(input, pair)?;
        }
        Ok(Wanted { workflow, input, key: self.key.clone(), by: self.by.clone() })
    }
}

impl Plan {
    /// The program that is to run.
    pub(super) fn program(&self) -> Result<&Arc<Program>, CliError> {
        let name = self.wanted.as_ref().map_or("", |wanted| &*wanted.workflow);
        find(&self.project.workflows, name)
    }

    pub(super) fn open(&self) -> Result<Arc<SqliteStore>, CliError> {
        // The project's folder exists; a directory that was named elsewhere must have a parent.
        Ok(Arc::new(SqliteStore::open(&self.dir, SqliteOptions::default())?))
    }

    /// The command that goes on, as a person types it.
    pub(super) fn go_on(&self, scene: &Scene) -> String {
        let profile = self.profile.as_ref().map(|name| format!(" --profile {name}")).unwrap_or_default();
        format!("{} run{} --resume{}{profile}", scene.application.call, self.typed(scene), self.data_flag())
    }

    /// The folder as it is typed after a command.
    pub(super) fn typed(&self, scene: &Scene) -> String {
        if scene.application.folder.as_ref() == Some(&self.folder) {
            String::new()
        } else {
            session::typed(&self.folder)
        }
    }

    /// `--data DIR`, unless it is the project's own.
    pub(super) fn data_flag(&self) -> String {
        let own = Data { data: None }.dir(&self.folder);
        if self.dir == own { String::new() } else { format!(" --data {}", self.dir.display()) }
    }
}

/// A file's content, or JSON itself.
fn given_input(given: &std::path::Path) -> Result<Value, CliError> {
    if let Some(text) = given.to_str().filter(|text| text.trim_start().starts_with(['{', '[', '"'])) {
        return Value::from_json(text.as_bytes()).map_err(|error| {
            CliError::usage("the input is no JSON")
                .caused_by(error)
                .hint("quote it for the shell: --input '{\"name\": \"Ada\"}'")
        });
    }
    let name = given.display().to_string();
    let bytes = fs::read(given).map_err(|error| CliError::io(format!("the input {name} cannot be read"), error))?;
    let text = String::from_utf8(bytes).map_err(|_| CliError::usage(format!("the input {name} is not UTF-8 text")))?;
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> Result<Value, CliError> {
    if name.ends_with(".json") {
        return Value::from_json(text.as_bytes())
            .map_err(|error| CliError::usage(format!("the input {name} is no JSON")).caused_by(error));
    }
    let read = yaml::parse(&name.into(), text).and_then(|node| node.to_value());
    read.map_err(|complaint| CliError::usage(complaint.render(Some(text)).trim_end().to_owned()))
}

/// Sets one part: `order.items=3`.
fn set(input: Value, pair: &str) -> Result<Value, CliError> {
    let Some((path, text)) = pair.split_once('=').filter(|(path, _)| !path.is_empty()) else {
        return Err(CliError::usage(format!("`--set {pair}` has no value")).hint("write it as `--set key=value`"));
    };
    let value = Value::from_json(text.as_bytes()).unwrap_or_else(|_| Value::text(text));
    put(input, path, value).ok_or_else(|| CliError::usage(format!("`{path}` cannot be set: a part of it is no map")))
}

fn put(into: Value, path: &str, value: Value) -> Option<Value> {
    let mut map = match into {
        Value::Map(map) => Arc::unwrap_or_clone(map),
        Value::Null => kernel::values::Map::new(),
        _ => return None,
    };
    match path.split_once('.') {
        None => {
            map.insert(path.into(), value);
        }
        Some((key, rest)) => {
            let inner = map.remove(key).unwrap_or_default();
            map.insert(key.into(), put(inner, rest, value)?);
        }
    }
    Some(Value::Map(Arc::new(map)))
}

/// Everything ready to run.
pub(super) fn build(
    scene: &Scene,
    plan: &Plan,
    store: Arc<dyn Store>,
    trip: Option<&Arc<crash::Trip>>,
) -> Result<Surefoot, CliError> {
    let builder = Surefoot::builder()
        .environment(scene.environment.clone())
        .sandbox("/proc/self/exe")
        .project(&plan.folder)
        .sources(plan.sources.clone());
    let builder = plan.profile.iter().fold(builder, |builder, name| builder.profile(name));
    let builder = (scene.application.with)(builder);
    let builder = builder.anchors(session::anchors(scene, &plan.dir));
    let builder = match trip {
        None => builder.store(store),
        Some(trip) => {
            let reach = trip.clone();
            builder.store(trip.store(store)).wrap(move |all| reach.reach(all))
        }
    };
    Ok(builder.build()?)
}

/// Goes on with one run after a person decided something about it, and with those that wait for its work.
pub(super) async fn go_on_with(
    scene: &Scene,
    folder: &Path,
    dir: &Path,
    store: Arc<SqliteStore>,
    run: RunId,
) -> Result<Exit, CliError> {
    let (sources, project) = check::checked(scene, folder)?;
    let (folder, dir) = (folder.to_owned(), dir.to_owned());
    let plan = Plan { folder, dir, sources, project, wanted: None, detach: Detach::Auto, profile: None };
    let surefoot = build(scene, &plan, store.clone(), None)?;
    surefoot.deploy().await?;
    let mut driver = Driver::begin(&surefoot);
    let run = session::topmost(&*store, run).await?;
    let mut story = Story::new(&scene.out, run);
    let before = session::journal(&*store, run).await?;
    let known = before.len() as u64;
    let rest = driver.follow(&mut story, known, plan.detach, std::future::pending()).await?;
    let words = words(scene, &plan, &*store, (&story, &rest)).await?;
    let exit = tell_rest(scene, &plan, &story, &rest, words);
    driver.end().await?;
    Ok(exit)
}

/// Makes the project's people and policies those of today, if the folder holds a project: a decision is judged by them.
pub(super) async fn enact_people(runtime: &runtime::Runtime, folder: &Path) -> Result<(), CliError> {
    let Ok(sources) = crate::project::read(folder, false) else { return Ok(()) };
    let checked = kernel::workflow::project::check(&sources);
    let Some(project) = checked.project else { return Ok(()) };
    let asker = runtime::govern::Asker { by: "program".into(), auth: "local".into() };
    let people = sources.get(kernel::governance::people::PEOPLE_FILE).map(|text| &**text);
    runtime.enact(&project.file.name, project.policies.as_deref(), people, &asker).await?;
    runtime.pin(&project, &asker).await?;
    Ok(())
}

async fn go(
    scene: &Scene,
    plan: &Plan,
    store: Arc<SqliteStore>,
    trip: Option<Arc<crash::Trip>>,
) -> Result<Exit, CliError> {
    let out = &scene.out;
    let surefoot = build(scene, plan, store.clone(), trip.as_ref())?;
    let before = session::unfinished(&*store, 10_000).await?;
    let started = match &plan.wanted {
        None => None,
        Some(wanted) => {
            let input = wanted.input.clone();
            let started = surefoot.start_as(&wanted.workflow, input, wanted.key.as_deref(), wanted.by.as_deref());
            Some(started.await?)
        }
    };
    if !before.is_empty() {
        let what = format!("{} of an earlier process", count(before.len() as u64, "unfinished run"));
        if out.json {
            let runs: Vec<RunId> = before.iter().map(|row| row.run).collect();
            out.object(&json!({ "kind": "resumed", "runs": runs }));
        } else {
            out.aside(paint(WAIT, format!("goes on with {what}")));
        }
    }
    let mut driver = Driver::begin(&surefoot);
    let mut others: Vec<RunId> = before.iter().map(|row| row.run).collect();
    let mut told: Vec<(RunId, Arc<str>)> = Vec::new();
    match (&plan.wanted, started) {
        (Some(wanted), Some(started)) => {
            others.retain(|run| *run != started.run);
            told.push((started.run, wanted.workflow.clone()));
            if !started.created && !out.json {
                out.aside("this key has started a run before: here it is");
            }
        }
        _ if before.len() <= TOLD => {
            others.clear();
            told.extend(before.iter().map(|row| (row.run, row.workflow.clone())));
        }
        _ => {}
    }
    if told.is_empty() && others.is_empty() {
        driver.end().await?;
        out.line("nothing is unfinished");
        return Ok(Exit::Ok);
    }
    let (mut exit, mut damaged) = (Exit::Ok, None);
    for (run, workflow) in told {
        heading(scene, plan, run, &workflow);
        let mut story = Story::new(out, run);
        let tripped = async {
            match &trip {
                Some(trip) => trip.tripped().await,
                None => std::future::pending().await,
            }
        };
        let rest = match driver.follow(&mut story, 0, plan.detach, tripped).await {
            Ok(rest) => rest,
            // A journal that was changed keeps no other run back.
            Err(why) if why.kind == Exit::Unverified => {
                damaged = damaged.or(Some(why));
                continue;
            }
            Err(why) => return Err(why),
        };
        let words = words(scene, plan, &*store, (&story, &rest)).await?;
        exit = worse(exit, tell_rest(scene, plan, &story, &rest, words));
        if matches!(rest, Rest::Interrupted) {
            driver.end().await?;
            return Ok(Exit::Interrupted);
        }
    }
    if !others.is_empty() {
        exit = worse(exit, settle(scene, plan, &mut driver, &others).await?);
    }
    driver.end().await?;
    damaged.map_or(Ok(exit), Err)
}

/// The first that is not well counts.
fn worse(one: Exit, other: Exit) -> Exit {
    if one == Exit::Ok { other } else { one }
}

pub(super) fn heading(scene: &Scene, plan: &Plan, run: RunId, workflow: &str) {
    if scene.out.json {
        scene
            .out
            .object(&json!({ "kind": "run", "run": run, "workflow": workflow, "project": plan.project.file.name }));
    } else {
        scene.out.line(format!("{} · {} · {run}", plan.project.file.name, paint(STRONG, workflow)));
    }
}

/// What stands in other journals than the run's own, or with the application.
#[derive(Default)]
pub(super) struct Words {
    /// What the application says about a run that has ended.
    told: Option<Vec<String>>,
    /// What the runs that it handed work to wait for from people.
    below: Vec<session::Typed>,
}

/// What is said besides about a run that was left so.
pub(super) async fn words(
    scene: &Scene,
    plan: &Plan,
    store: &dyn Store,
    (story, rest): (&Story<'_>, &Rest),
) -> Result<Words, CliError> {
    if let Rest::Waits(_) = rest {
        return Ok(Words { told: None, below: session::calls_below(store, &story.state).await? });
    }
    let (Some(tell), Rest::Ended(ended), false) = (&scene.application.tell, rest, scene.out.json) else {
        return Ok(Words::default());
    };
    let mut all = session::family(store, ended.run).await?.into_iter().map(|(_, entries)| {
        let journal = entries.into_iter().filter_map(|entry| Some((entry.event().ok()?, entry)));
        journal.map(|(event, entry)| (entry, event)).collect::<Vec<_>>()
    });
    let journal = all.next().unwrap_or_default();
    // Who is asked what a run has cost means what it had others do, too.
    let seen = all.fold(Seen::of(&journal), |sum, journal| sum.and(Seen::of(&journal)));
    let place = format!("{}{}", plan.typed(scene), plan.data_flag());
    let told = tell(&Told {
        run: ended.run,
        result: ended.result.as_ref(),
        journal: &journal,
        seen,
        call: scene.application.call,
        place: &place,
    });
    Ok(Words { told: Some(told), below: Vec::new() })
}

/// Says how the run was left, with numbers, and what to type next. What the application says stands in the place of its result.
pub(super) fn tell_rest(scene: &Scene, plan: &Plan, story: &Story<'_>, rest: &Rest, words: Words) -> Exit {
    let out = &scene.out;
    let run = story.state.run;
    let (exit, status) = match rest {
        Rest::Ended(ended) if ended.end == End::Completed => (Exit::Ok, "completed"),
        Rest::Ended(ended) => (Exit::RunFailed, story::ending(ended.end)),
        Rest::Waits(row) => (Exit::Unfinished, row.status.as_str()),
        Rest::Interrupted => (Exit::Interrupted, "left"),
    };
    if out.json {
        let mut summary = json!({ "kind": "summary", "run": run, "status": status, "steps": story.tally.steps,
            "model_calls": story.tally.asked, "actions": story.tally.actions, "sent_again": story.tally.resent,
            "entries": story.tally.entries, "usage": story.tally.usage,
            "charged_uusd": story.tally.charged_uusd, "unpriced_calls": story.tally.unpriced, "took_us": story.tally.took_us,
            "data": plan.dir.display().to_string() });
        if let Rest::Ended(ended) = rest {
            summary["result"] = json!(ended.result);
            summary["failure"] = json!(ended.failure);
        }
        if let Rest::Waits(row) = rest {
            summary["waits_for"] = json!(row.waits_for);
            summary["wake_at"] = json!(row.wake_at.map(|at| at.to_string()));
        }
        out.object(&summary);
        return exit;
    }
    let style = match rest {
        Rest::Ended(ended) if ended.end == End::Completed => GOOD,
        Rest::Ended(_) => BAD,
        _ => WAIT,
    };
    let took = story::elapsed(story.tally.took_us).trim().trim_start_matches('+').to_owned();
    let field = |name: &str, text: String| out.line(format!("{} {text}", paint(FAINT, format!("{name:<7}"))));
    out.line(format!("{} in {took}", paint(style, status)));
    match rest {
        Rest::Ended(ended) => {
            if let Some(failure) = &ended.failure {
                field("why", plain(&kernel::story::failure(failure)));
            }
            match (words.told, &ended.result) {
                (Some(words), _) => words.into_iter().for_each(|line| out.line(line)),
                (None, Some(result)) => field("result", result.to_json()),
                (None, None) => {}
            }
        }
        Rest::Waits(row) => field("waits", plain(session::waits(row).trim_start_matches("waits "))),
        Rest::Interrupted => field("why", "stopped here; nothing that was recorded is lost".to_owned()),
    }
    field("did", format!("{} · {}", story::totals(&story.tally), cost(&plan.project, &story.tally)));
    field("data", plan.dir.display().to_string());
    let (folder, data, call) = (plan.typed(scene), plan.data_flag(), scene.application.call);
    match rest {
        Rest::Ended(_) => {
            field("next", format!("{call} runs show {run}{folder}{data}"));
            out.line(format!(
                "        {call} runs export {run}{folder}{data} --out run.ndjson && {call} evidence verify run.ndjson"
            ));
        }
        Rest::Waits(row) => {
            field("next", format!("{call} runs show {run}{folder}{data}"));
            match row.status {
                Status::Paused | Status::Quarantined => {
                    out.line(format!("        {call} runs resume {run}{folder}{data}"))
                }
                _ => {
                    for (what, rest) in session::calls(&story.state).into_iter().chain(words.below) {
                        out.line(format!("        {call} {what}{folder}{data}{rest}"));
                    }
                }
            }
            out.line(format!("        {}", plan.go_on(scene)));
        }
        Rest::Interrupted => field("next", plan.go_on(scene)),
    }
    exit
}

/// What the model calls cost, as far as it is known.
fn cost(project: &Project, tally: &Tally) -> String {
    let free = |provider: &Provider| matches!(provider, Provider::Scripted { .. } | Provider::Rules { .. });
    if project.file.models.values().all(|model| free(&model.provider)) {
        return "cost $0.00".to_owned();
    }
    match tally.unpriced {
        0 => format!("cost {}", Money::from_micros(tally.charged_uusd)),
        _ => "cost not known".to_owned(),
    }
}

/// Drives what is not told, and sums it up.
async fn settle(scene: &Scene, plan: &Plan, driver: &mut Driver, runs: &[RunId]) -> Result<Exit, CliError> {
    let Some(rows) = driver.settle(runs, plan.detach).await? else {
        scene.out.aside(format!("stopped here; nothing that was recorded is lost: {}", plan.go_on(scene)));
        return Ok(Exit::Interrupted);
    };
    let mut exit = Exit::Ok;
    for status in Status::ALL {
        let of: Vec<_> = rows.iter().filter(|row| row.status == status).collect();
        let Some(first) = of.first() else { continue };
        exit = worse(
            exit,
            match status {
                Status::Completed => Exit::Ok,
                Status::Failed | Status::Cancelled => Exit::RunFailed,
                _ => Exit::Unfinished,
            },
        );
        if scene.out.json {
            let runs: Vec<RunId> = of.iter().map(|row| row.run).collect();
            scene.out.object(&json!({ "kind": "settled", "status": status.as_str(), "runs": runs }));
        } else if of.len() == 1 {
            scene.out.line(format!("earlier: {} ({}) {}", first.run, first.workflow, status.as_str()));
        } else {
            scene.out.line(format!("earlier: {} {}", count(of.len() as u64, "run"), status.as_str()));
        }
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_input_is_set() {
        let input = Value::from_json(br#"{"a":{"b":1}}"#).unwrap();
        let input = set(input, "a.c=[1,2]").unwrap();
        let input = set(input, "d=gold").unwrap();
        let input = set(input, "e=a=b").unwrap();
        assert_eq!(input.to_json(), r#"{"a":{"b":1,"c":[1,2]},"d":"gold","e":"a=b"}"#);
        assert_eq!(set(input.clone(), "d.x=1").unwrap_err().message, "`d.x` cannot be set: a part of it is no map");
        assert!(set(input, "d").is_err());
    }
}
