//! Work that runs hand to people: look at it, take it, pass it on, say what came of it.

use std::{fs, path::PathBuf, sync::Arc};

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};
use kernel::values::Value;
use runtime::{
    Runtime,
    govern::Asker,
    work::{Handed, WorkDone},
};
use serde_json::json;
use store::{WorkQuery, WorkRow, sqlite::SqliteStore};

use super::{
    Scene,
    out::{FAINT, GOOD, STRONG, WAIT, paint, plain},
    run,
    runs::Place,
};
use crate::{error::CliError, exit::Exit};

/// Work that runs hand to people
#[derive(Debug, Args)]
pub(super) struct Work {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(Ls),
    Show(Show),
    Claim(Claim),
    Answer(Answer),
    Reassign(Reassign),
}

/// List the work that waits, oldest first
#[derive(Debug, Args)]
struct Ls {
    #[command(flatten)]
    place: Place,
    /// Only what is for this group
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Also what is done
    #[arg(long)]
    all: bool,
}

/// Which work.
#[derive(Debug, Args)]
struct One {
    /// The work: its id, or four or more characters of its end
    #[arg(value_name = "WORK")]
    work: String,
    #[command(flatten)]
    place: Place,
}

/// Show what is to be done: facts and claims apart, and the form of the answer
#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    one: One,
}

/// Take work, so that nobody else does it meanwhile
#[derive(Debug, Args)]
struct Claim {
    #[command(flatten)]
    one: One,
    /// Who takes it: a person of people.yaml. Known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: String,
}

/// Say what came of it
///
/// The answer must keep the contract of the handoff. The first one that comes in time is the one. The run goes on at once, here, unless
/// `--no-run` says otherwise.
#[derive(Debug, Args)]
struct Answer {
    #[command(flatten)]
    one: One,
    /// The answer as JSON, or `@FILE`
    #[arg(long, value_name = "JSON")]
    with: String,
    /// Who answers: a person of people.yaml. Recorded as known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: String,
    /// Leave the run where it is
    #[arg(long)]
    no_run: bool,
}

/// Pass work on to somebody else of the group, or back to all of them
#[derive(Debug, Args)]
struct Reassign {
    #[command(flatten)]
    one: One,
    /// To whom; back to the group if absent
    #[arg(long, value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    to: Option<String>,
    /// Who passes it on: a person of people.yaml. Known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: String,
}

impl Work {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        scene.block_on(async {
            match self.command {
                Command::Ls(command) => command.run(scene).await,
                Command::Show(command) => command.run(scene).await,
                Command::Claim(command) => command.run(scene).await,
                Command::Answer(command) => command.run(scene).await,
                Command::Reassign(command) => command.run(scene).await,
            }
        })
    }
}

impl Ls {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let runtime = Runtime::builder(self.place.open()?).build();
        let queue = self.group.map(|group| self.place.group(&group)).transpose()?;
        let rows = runtime.work(WorkQuery { queue, all_states: self.all, ..WorkQuery::default() }).await?;
        if scene.out.json {
            rows.iter().for_each(|row| scene.out.object(&as_json(row)));
            return Ok(Exit::Ok);
        }
        if rows.is_empty() {
            scene.out.line("no work waits for people");
        }
        for row in &rows {
            let task = match runtime.handed(row).await {
                Ok(handed) => text(&handed.card, "task"),
                Err(why) => why.to_string(),
            };
            let state = match state(row) {
                "done" => paint(FAINT, "done"),
                state => paint(WAIT, state),
            };
            scene.out.line(format!("{} {state} {}", paint(STRONG, &row.id), plain(&task)));
            let due = row.due_at.map(|at| format!(", until {at}")).unwrap_or_default();
            let has = row.claimed_by.as_ref().map(|by| format!(", taken by {by}")).unwrap_or_default();
            scene.out.line(format!("    for {}{due}{has}, run {} at `{}`", row.queue, row.run, row.step));
        }
        Ok(Exit::Ok)
    }
}

impl Show {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let (_, runtime) = self.one.open()?;
        let row = self.one.find(&runtime).await?;
        let handed = runtime.handed(&row).await?;
        if scene.out.json {
            let mut object = as_json(&row);
            object["card"] = serde_json::from_str(&handed.card.to_json()).unwrap_or_default();
            scene.out.object(&object);
            return Ok(Exit::Ok);
        }
        tell(scene, &row, &handed);
        if row.closed_at.is_none() {
            let (call, place) = (scene.application.call, self.one.place.typed());
            scene.out.aside(format!("answer it: {call} work answer {}{place} --with JSON --as PERSON", row.id));
        }
        Ok(Exit::Ok)
    }
}

impl Claim {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let (_, runtime) = self.one.open()?;
        run::enact_people(&runtime, self.one.place.folder()).await?;
        let row = self.one.find(&runtime).await?;
        let claimed = runtime.claim_work(&row.id, &asker(&self.by)).await;
        claimed.map_err(|error| self.one.place.hint_at(error.into(), &self.by))?;
        said(scene, "claimed", &row, &self.by, Some(&self.by));
        Ok(Exit::Ok)
    }
}

impl Reassign {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let (_, runtime) = self.one.open()?;
        run::enact_people(&runtime, self.one.place.folder()).await?;
        let row = self.one.find(&runtime).await?;
        let to: Option<Arc<str>> = self.to.as_deref().map(Into::into);
        let passed = runtime.reassign_work(&row.id, to.as_ref(), &asker(&self.by)).await;
        passed.map_err(|error| {
            let error = self.one.place.hint_at(error.into(), &self.by);
            self.to.iter().fold(error, |error, to| self.one.place.hint_at(error, to))
        })?;
        said(scene, "reassigned", &row, &self.by, self.to.as_deref());
        Ok(Exit::Ok)
    }
}

impl Answer {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let output = answer(&self.with)?;
        let (store, runtime) = self.one.open()?;
        run::enact_people(&runtime, self.one.place.folder()).await?;
        let row = self.one.find(&runtime).await?;
        let WorkDone { run, new } = runtime
            .answer_work(&row.id, output, &asker(&self.by))
            .await
            .map_err(|error| self.one.place.hint_at(error.into(), &self.by))?;
        if scene.out.json {
            scene.out.object(&json!({ "kind": "answered", "work": row.id, "run": run, "by": self.by, "new": new }));
        } else {
            let again = if new { "" } else { ", as before" };
            scene.out.line(format!("{} {} by {}{again}", paint(GOOD, "recorded"), row.id, self.by));
        }
        if self.no_run {
            return Ok(Exit::Ok);
        }
        drop(runtime);
        run::go_on_with(scene, self.one.place.folder(), &self.one.place.data_dir(), store, run).await
    }
}

impl One {
    fn open(&self) -> Result<(Arc<SqliteStore>, Runtime), CliError> {
        let store = self.place.open()?;
        let runtime = Runtime::builder(store.clone()).build();
        Ok((store, runtime))
    }

    /// The work with this id, or whose id ends so.
    async fn find(&self, runtime: &Runtime) -> Result<WorkRow, CliError> {
        let wanted = &*self.work;
        let all = WorkQuery { all_states: true, limit: 10_000, ..WorkQuery::default() };
        let mut rows = runtime.work(all).await?;
        rows.retain(|row| *row.id == *wanted || (wanted.len() >= 4 && row.id.ends_with(wanted)));
        match rows.len() {
            1 => Ok(rows.remove(0)),
            0 => Err(CliError::not_found(format!("there is no work `{wanted}`"))
                .hint("list the work that waits with `work ls`")),
            several => {
                Err(CliError::usage(format!("`{wanted}` fits {several} pieces of work")).hint("write more of its end"))
            }
        }
    }
}

fn asker(by: &str) -> Asker {
    Asker { by: by.into(), auth: "local".into() }
}

/// JSON as it is typed, or in a file.
pub(super) fn answer(text: &str) -> Result<Value, CliError> {
    let bytes = match text.strip_prefix('@') {
        None => text.as_bytes().to_vec(),
        Some(path) => {
            let path = PathBuf::from(path);
            fs::read(&path).map_err(|error| CliError::io(format!("{} cannot be read", path.display()), error))?
        }
    };
    Value::from_json(&bytes).map_err(|error| {
        CliError::usage("the answer is no JSON").caused_by(error).hint("--with '{\"done\": true}', or --with @FILE")
    })
}

fn said(scene: &Scene, word: &str, row: &WorkRow, by: &str, to: Option<&str>) {
    if scene.out.json {
        scene.out.object(&json!({ "kind": word, "work": row.id, "run": row.run, "by": by, "to": to }));
        return;
    }
    let whom = to.map_or_else(|| format!("{} again", row.queue), str::to_owned);
    scene.out.line(format!("{} {} is for {whom} now", paint(GOOD, word), row.id));
}

fn state(row: &WorkRow) -> &'static str {
    match (&row.closed_at, &row.claimed_by) {
        (Some(_), _) => "done",
        (None, Some(_)) => "taken",
        (None, None) => "open",
    }
}

fn text(card: &Value, key: &str) -> String {
    card.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn tell(scene: &Scene, row: &WorkRow, handed: &Handed) {
    let (out, card) = (&scene.out, &handed.card);
    out.line(paint(STRONG, plain(&text(card, "task"))));
    if let (Some(artifact), Some(evidence)) = (card.get("artifact"), card.get("evidence")) {
        tell_standings(scene, artifact, evidence);
    }
    let contract = card.get("contract").map(Value::to_json).unwrap_or_default();
    out.line(format!("  answer  {}", plain(&contract)));
    let until = row.due_at.map(|at| format!(", until {at}")).unwrap_or_default();
    let has = row.claimed_by.as_ref().map(|by| format!(", taken by {by}")).unwrap_or_default();
    out.line(format!("  for     {}{until}{has}", row.queue));
    out.line(format!("  by      run {} at `{}`", row.run, row.step));
    let by = handed.answer.as_ref().map(|(_, by)| format!(", answered by {by}")).unwrap_or_default();
    out.line(format!("  state   {}{by}", state(row)));
}

/// Named values, facts before claims, and where a claim came in.
pub(super) fn tell_standings(scene: &Scene, values: &Value, standings: &Value) {
    let Value::Map(values) = values else { return };
    for word in ["fact", "claim"] {
        for (name, value) in values.iter() {
            let known = standings.get(name);
            if known.and_then(|known| known.get("standing")).and_then(Value::as_str) != Some(word) {
                continue;
            }
            let from = match known.and_then(|known| known.get("from")) {
                Some(Value::List(from)) if !from.is_empty() => {
                    let from: Vec<&str> = from.iter().filter_map(Value::as_str).collect();
                    format!("  (from {})", from.join(", "))
                }
                _ => String::new(),
            };
            scene.out.line(format!("  {word:<7} {} = {}{}", plain(name), plain(&value.to_json()), plain(&from)));
        }
    }
}

fn as_json(row: &WorkRow) -> serde_json::Value {
    json!({
        "kind": "work", "work": row.id, "run": row.run, "step": row.step, "group": row.queue, "state": state(row),
        "opened_at": row.opened_at.to_string(), "due_at": row.due_at.map(|at| at.to_string()),
        "claimed_by": row.claimed_by, "claimed_at": row.claimed_at.map(|at| at.to_string()),
        "closed_at": row.closed_at.map(|at| at.to_string()),
    })
}
