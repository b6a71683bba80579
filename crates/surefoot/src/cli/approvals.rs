//! What waits for people: look at it, decide it.

use std::{fs, path::PathBuf, sync::Arc};

use clap::{Args, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};
use kernel::{
    governance::approval::Decision,
    ids::Digest,
    values::{Timestamp, Value},
};
use runtime::{
    Clock as _, Runtime, SystemClock,
    govern::{Asked, Asker, Decide, Decided},
};
use serde_json::json;
use store::{ApprovalQuery, ApprovalRow, sqlite::SqliteStore};

use super::{
    Scene,
    out::{BAD, FAINT, GOOD, STRONG, WAIT, count, paint, plain},
    run,
    runs::Place,
    work,
};
use crate::{error::CliError, exit::Exit};

/// What waits for people
#[derive(Debug, Args)]
pub(super) struct Approvals {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(Ls),
    Show(Show),
    Decide(DecideArgs),
}

/// List what waits for people, oldest first
#[derive(Debug, Args)]
struct Ls {
    #[command(flatten)]
    place: Place,
    /// Only what this group may decide
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Also what is decided
    #[arg(long)]
    all: bool,
}

/// Show what is asked, why, and what happens on yes and on no
#[derive(Debug, Args)]
struct Show {
    /// The approval: its id, or four or more characters of its end
    #[arg(value_name = "APPROVAL")]
    approval: String,
    #[command(flatten)]
    place: Place,
}

/// Decide
///
/// Whether this person may is judged by today's people.yaml. A yes is used up by the action it was given for, and judged again when that
/// begins. The run goes on at once, here, unless `--no-run` says otherwise.
#[derive(Debug, Args)]
struct DecideArgs {
    /// The approval: its id, or four or more characters of its end
    #[arg(value_name = "APPROVAL")]
    approval: String,
    /// What
    #[arg(value_enum, value_name = "DECISION")]
    decision: Word,
    #[command(flatten)]
    place: Place,
    /// Who decides: a person of people.yaml. Recorded as known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: String,
    /// Why; a no is passed on to the run
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The fields to change for `edit`, or the whole answer for `answer`, as JSON or `@FILE`
    #[arg(long, value_name = "JSON")]
    with: Option<String>,
    /// The hash of the card that was shown [default: the card as it is now]
    #[arg(long, value_name = "HASH")]
    shown: Option<String>,
    /// Leave the run where it is
    #[arg(long)]
    no_run: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Word {
    /// Yes, as shown
    Approve,
    /// No
    Reject,
    /// Not so, but with other values: a new action
    Edit,
    /// What the question asks for: `--with` is the answer
    Answer,
}

impl Approvals {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        scene.block_on(async {
            match self.command {
                Command::Ls(command) => command.run(scene).await,
                Command::Show(command) => command.run(scene).await,
                Command::Decide(command) => command.run(scene).await,
            }
        })
    }
}

impl Ls {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let runtime = Runtime::builder(self.place.open()?).build();
        let group = self.group.map(|group| self.place.group(&group)).transpose()?;
        let rows = runtime.approvals(ApprovalQuery { group, all_states: self.all, ..ApprovalQuery::default() }).await?;
        let now = SystemClock::new().now();
        if scene.out.json {
            for row in &rows {
                scene.out.object(&as_json(row));
            }
            return Ok(Exit::Ok);
        }
        if rows.is_empty() {
            scene.out.line("nothing waits for people");
        }
        for row in &rows {
            let says = asked(&runtime, row).await.map_or_else(|why| why.message, |asked| says(&asked));
            let state = match row.state.as_str() {
                "pending" => paint(WAIT, "pending"),
                state => paint(FAINT, state),
            };
            scene.out.line(format!("{} {state} {}", paint(STRONG, &row.id), plain(&says)));
            let left = row.expires_at.filter(|_| row.state.as_str() == "pending");
            let left = left.map(|at| format!(", {}", time_left(at, now))).unwrap_or_default();
            let yes = row.votes.iter().filter(|vote| &*vote.decision == "approve").count();
            let agreed = if row.quorum > 1 { format!(", {yes} of {} agreed", row.quorum) } else { String::new() };
            scene.out.line(format!(
                "    for {}{agreed}{left}, asked by {}, run {}",
                row.groups.join(" or "),
                who(row),
                row.run
            ));
        }
        Ok(Exit::Ok)
    }
}

impl Show {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let runtime = Runtime::builder(self.place.open()?).build();
        let row = find(&runtime, &self.approval).await?;
        let asked = asked(&runtime, &row).await?;
        if scene.out.json {
            let mut object = as_json(&row);
            object["card"] = serde_json::from_str(&asked.card.to_json()).unwrap_or_default();
            scene.out.object(&object);
            return Ok(Exit::Ok);
        }
        tell(scene, &row, &asked);
        let over = row.expires_at.is_some_and(|at| at <= SystemClock::new().now());
        if row.state.as_str() == "pending" && over {
            scene.out.aside("the time to decide it is over; the run notices when it goes on");
        } else if row.state.as_str() == "pending" {
            let call = scene.application.call;
            let place = self.place.typed();
            let (command, shown) = (format!("{call} approvals decide {}", row.id), row.shown);
            let words = match (asked.terms.answerable, asked.terms.editable.is_empty()) {
                (true, _) => "reject|answer",
                (false, true) => "approve|reject",
                (false, false) => "approve|reject|edit",
            };
            scene.out.aside(format!("decide it: {command} {words}{place} --as PERSON --shown {shown}"));
        }
        Ok(Exit::Ok)
    }
}

impl DecideArgs {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        if self.with.is_some() && matches!(self.decision, Word::Approve | Word::Reject) {
            let error = CliError::usage("`--with` belongs to `edit` and `answer`: a yes or a no covers what was shown");
            return Err(error.hint("to change it first, decide `edit`"));
        }
        let decision = match self.decision {
            Word::Approve => Decision::Approve,
            Word::Reject => Decision::Reject { reason: self.reason.clone().unwrap_or_default() },
            Word::Edit => Decision::Edit { with: edit(self.with.as_deref())? },
            Word::Answer => {
                let text =
                    self.with.as_deref().ok_or_else(|| CliError::usage("an answer says what").hint("--with JSON"))?;
                Decision::Answer { value: work::answer(text)? }
            }
        };
        let shown = match &self.shown {
            None => None,
            Some(text) => Some(text.parse::<Digest>().map_err(|_| {
                CliError::usage(format!("`{text}` is no hash of a card"))
                    .hint("64 hexadecimal digits, as `approvals show` prints")
            })?),
        };
        let store: Arc<SqliteStore> = self.place.open()?;
        let runtime = Runtime::builder(store.clone()).build();
        run::enact_people(&runtime, self.place.folder()).await?;
        let row = find(&runtime, &self.approval).await?;
        let asker = Asker { by: self.by.as_str().into(), auth: "local".into() };
        let decide = Decide { approval: row.id.clone(), decision, shown, reason: self.reason.clone() };
        let decided = runtime.decide(decide, &asker).await;
        let decided = decided.map_err(|error| self.place.hint_at(error.into(), &self.by))?;
        let (run, new) = match decided {
            Decided::New { run } => (run, true),
            Decided::Again { run } => (run, false),
        };
        if scene.out.json {
            scene.out.object(&json!({ "kind": "decided", "approval": row.id, "run": run, "by": self.by, "new": new }));
        } else {
            let again = if new { "" } else { ", as before" };
            scene.out.line(format!("{} {} by {}{again}", paint(GOOD, "recorded"), row.id, self.by));
        }
        if self.no_run {
            return Ok(Exit::Ok);
        }
        drop(runtime);
        run::go_on_with(scene, self.place.folder(), &self.place.data_dir(), store, run).await
    }
}

fn edit(with: Option<&str>) -> Result<Value, CliError> {
    let text = with.ok_or_else(|| CliError::usage("an edit says what changes").hint("--with '{\"cents\": 4000}'"))?;
    let bytes = match text.strip_prefix('@') {
        None => text.as_bytes().to_vec(),
        Some(path) => {
            let path = PathBuf::from(path);
            fs::read(&path).map_err(|error| CliError::io(format!("{} cannot be read", path.display()), error))?
        }
    };
    Value::from_json(&bytes).map_err(|error| CliError::usage("what changes is no JSON").caused_by(error))
}

/// The approval with this id, or whose id ends so.
async fn find(runtime: &Runtime, wanted: &str) -> Result<ApprovalRow, CliError> {
    let all = ApprovalQuery { all_states: true, limit: 10_000, ..ApprovalQuery::default() };
    let mut rows = runtime.approvals(all).await?;
    rows.retain(|row| *row.id == *wanted || (wanted.len() >= 4 && row.id.ends_with(wanted)));
    match rows.len() {
        1 => Ok(rows.remove(0)),
        0 => Err(CliError::not_found(format!("there is no approval `{wanted}`"))
            .hint("list what waits for people with `approvals ls`")),
        several => Err(CliError::usage(format!("`{wanted}` fits {several} approvals")).hint("write more of its end")),
    }
}

async fn asked(runtime: &Runtime, row: &ApprovalRow) -> Result<Asked, CliError> {
    Ok(runtime.asked(row).await?)
}

fn says(asked: &Asked) -> String {
    asked.card.get("says").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn who(row: &ApprovalRow) -> &str {
    if row.requested_by.is_empty() { "nobody by name" } else { &row.requested_by }
}

fn time_left(at: Timestamp, now: Timestamp) -> String {
    match at.micros() - now.micros() {
        ..=0 => "the time is over".to_owned(),
        left => {
            let minutes = left / 60_000_000;
            let text = match minutes {
                0 => format!("{} s", left / 1_000_000),
                1..=119 => format!("{minutes} min"),
                _ => format!("{} h", minutes / 60),
            };
            format!("{text} left")
        }
    }
}

fn tell(scene: &Scene, row: &ApprovalRow, asked: &Asked) {
    let out = &scene.out;
    let text = |key: &str| asked.card.get(key).and_then(Value::as_str).map(plain).unwrap_or_default().to_string();
    out.line(paint(STRONG, text("says")));
    if let Some(Value::List(rules)) = asked.card.get("why") {
        for rule in rules.iter() {
            let part = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let values = match rule.get("values") {
                Some(Value::Map(map)) => {
                    let pairs = map.iter().map(|(name, value)| format!("{name} = {}", value.to_json()));
                    format!(": {}", pairs.collect::<Vec<_>>().join(", "))
                }
                _ => String::new(),
            };
            out.line(format!("  why     {} ({}){values}", plain(&part("rule")), plain(&part("at"))));
            if !part("reason").is_empty() {
                out.line(format!("          {}", plain(&part("reason"))));
            }
        }
    }
    let whole = |key: &str| asked.card.get(key).map(Value::to_json).unwrap_or_default();
    if asked.card.get("with").is_some_and(|with| !with.is_null()) {
        out.line(format!("  with    {}", plain(&whole("with"))));
    }
    if asked.card.get("form").is_some() {
        out.line(format!("  form    {}", plain(&whole("form"))));
    }
    match (asked.card.get("evidence"), asked.card.get("evidence").and_then(|evidence| evidence.get("standing"))) {
        (Some(evidence), Some(standing)) => {
            let values = evidence.get("values");
            values.iter().for_each(|values| work::tell_standings(scene, values, standing));
        }
        _ => out.line(format!("  facts   {}", plain(&whole("evidence")))),
    }
    if !text("model_words").is_empty() {
        out.line(format!("  a model said: {}", text("model_words")));
    }
    if !text("effect").is_empty() {
        out.line(format!("  effect  {}", text("effect")));
    }
    out.line(format!("  yes     {}", text("on_yes")));
    out.line(format!("  no      {}", text("on_no")));
    let until = row.expires_at.map(|at| format!(", until {at}")).unwrap_or_default();
    out.line(format!("  asks    {}{until}", kernel::story::whom(&asked.terms)));
    out.line(format!("  by      {}, run {} at `{}`", who(row), row.run, row.step));
    let state = row.state.as_str();
    let votes = count(row.votes.len() as u64, "vote");
    out.line(format!(
        "  state   {}, {votes}",
        if state == "rejected" { paint(BAD, state).to_string() } else { state.to_owned() }
    ));
    for vote in &row.votes {
        out.line(format!("          {} {} at {}", vote.by, vote.decision, vote.at));
    }
}

fn as_json(row: &ApprovalRow) -> serde_json::Value {
    json!({
        "kind": "approval", "approval": row.id, "run": row.run, "step": row.step, "state": row.state.as_str(),
        "groups": row.groups, "quorum": row.quorum, "requested_by": row.requested_by,
        "requested_at": row.requested_at.to_string(), "expires_at": row.expires_at.map(|at| at.to_string()),
        "hash": row.hash, "shown": row.shown,
        "votes": row.votes.iter().map(|vote| json!({ "by": vote.by, "decision": vote.decision, "at": vote.at.to_string() })).collect::<Vec<_>>(),
    })
}
