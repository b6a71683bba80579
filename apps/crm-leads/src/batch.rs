//! Many leads at once, in a process of their own that may be killed, with a user who edits fields meanwhile.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use surefoot::{Lookup, RunError, Surefoot};
use tokio::{io::AsyncReadExt as _, process::Command, time::timeout};

use crate::{claim::Field, natives, sites::Chance};

/// Anything that ends a batch with one line.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// The word by which this program calls itself.
pub const CHILD: &str = "enrich-all";

/// A batch that is not over after so many deaths never will be.
const MOST_KILLS: u64 = 500;

/// What a batch came to.
pub struct Enriched {
    /// By lead.
    pub results: BTreeMap<String, Value>,
    /// By lead: which models its run asked.
    pub asked: BTreeMap<String, Asked>,
    /// How often the process was killed.
    pub kills: u64,
}

/// Which models a run asked.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Asked {
    /// The lead.
    lead: String,
    /// By model of the project: how often.
    pub calls: BTreeMap<String, u64>,
    /// By the URL of a page: the model that answered last for it.
    pub read_by: BTreeMap<String, String>,
}

/// Enriches every lead of the project in `folder`. With a number, the process is killed every 0.5 to 2 s until it comes to its end.
///
/// # Errors
/// The process cannot be started, or says why it failed.
pub async fn enrich(folder: &Path, kill: Option<u64>, user: &mut User) -> Result<Enriched, Trouble> {
    let mut chance = kill.map(|seed| Chance::of(seed, "kills"));
    let mut kills = 0;
    loop {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(CHILD)
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let mut output = child.stdout.take().ok_or("the process has no output")?;
        let mut said = String::new();
        let ended = async {
            output.read_to_string(&mut said).await?;
            child.wait().await
        };
        let life =
            chance.as_mut().map_or(Duration::MAX, |chance| Duration::from_millis(500 + chance.below(1_500) as u64));
        let status = tokio::select! {
            status = timeout(life, ended) => status,
            trouble = user.edit() => return Err(trouble),
        };
        match status {
            Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => {
                let (mut results, mut asked) = (BTreeMap::new(), BTreeMap::new());
                for line in said.lines() {
                    if let Ok(one) = serde_json::from_str::<Asked>(line) {
                        asked.insert(one.lead.clone(), one);
                    } else if let Ok(result) = serde_json::from_str::<Value>(line) {
                        results.insert(result["lead"].as_str().unwrap_or_default().to_owned(), result);
                    }
                }
                return Ok(Enriched { results, asked, kills });
            }
            Ok(status) => return Err(format!("the process that enriches ended with {}", status?).into()),
            Err(_) => {
                child.kill().await?;
                kills += 1;
                if kills == MOST_KILLS {
                    return Err(format!("not every lead is enriched after {kills} deaths of the process").into());
                }
            }
        }
    }
}

/// The other side: starts every lead of the project once, drives them all, prints their results.
pub fn child(args: &[OsString], environment: Lookup) -> i32 {
    let Some(folder) = args.first().map(PathBuf::from) else { return 2 };
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Trouble::from)
        .and_then(|runtime| runtime.block_on(all(&folder, environment)));
    match done {
        Ok(()) => 0,
        Err(error) => {
            complain(&error.to_string());
            70
        }
    }
}

async fn all(folder: &Path, environment: Lookup) -> Result<(), Trouble> {
    let builder = Surefoot::builder().environment(environment).project(folder).data_dir(folder.join(".surefoot"));
    let surefoot = natives::register(builder).build()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = surefoot.clone();
    let worker = tokio::spawn(async move {
        let shutdown = async {
            // Sent or dropped: both mean that all is done.
            let _ = stopped.await;
        };
        serving.serve(shutdown).await
    });
    let mut leads: Vec<PathBuf> =
        fs::read_dir(folder.join("seed/leads"))?.map(|file| Ok(file?.path())).collect::<Result<_, Trouble>>()?;
    leads.sort();
    let mut started = Vec::new();
    for lead in leads {
        let input = surefoot::Value::from_json(&fs::read(&lead)?)?;
        let key = natives::start_key(&input);
        started.push(surefoot.start_once("enrich", input, key.as_deref()).await?.run);
    }
    // The operator's part: a run whose process died three times without a step is put aside until somebody lets it go on.
    let operator = tokio::spawn(operate(surefoot.clone(), started.clone()));
    for run in started {
        let ended = surefoot.runtime().finished(run).await?;
        match ended.result {
            Some(result) => {
                let lead: Value = serde_json::from_slice(&result.to_jcs())?;
                say(&result.to_json());
                say(&serde_json::to_string(&asked(&surefoot, run, &lead["lead"]).await?)?);
            }
            None => return Err(format!("run {run} ended without a result: {:?}", ended.failure).into()),
        }
    }
    operator.abort();
    drop(stop);
    worker.await??;
    Ok(())
}

/// Which models a run asked, how often each, and who answered last for each page: from its journal.
async fn asked(surefoot: &Surefoot, run: surefoot::RunId, lead: &Value) -> Result<Asked, Trouble> {
    let mut asked = Asked { lead: lead.as_str().unwrap_or_default().to_owned(), ..Asked::default() };
    let (mut readers, mut pages) = (BTreeMap::new(), BTreeMap::new());
    let mut entries = surefoot.runtime().entries(run);
    while let Some((_, event)) = entries.next().await? {
        let event = serde_json::to_value(&event)?;
        let step = event["step"].as_str().unwrap_or_default();
        if event["event"] == "model_asked" {
            let model = event["model"].as_str().unwrap_or_default();
            *asked.calls.entry(model.to_owned()).or_default() += 1;
            if let Some(body) = step.strip_suffix("/reading") {
                readers.insert(body.to_owned(), model.to_owned());
            }
        } else if let (Some(body), Some(url)) = (step.strip_suffix("/page"), url_of(&event)) {
            pages.insert(body.to_owned(), url);
        }
    }
    asked.read_by = readers.into_iter().filter_map(|(body, model)| Some((pages.get(&body)?.clone(), model))).collect();
    Ok(asked)
}

/// The address of the page that an action gave, if this entry says so.
fn url_of(event: &Value) -> Option<String> {
    let page = &event["result"]["done"]["value"];
    page["final_url"].as_str().or_else(|| page["url"].as_str()).map(str::to_owned)
}

/// Lets runs go on that were put aside.
async fn operate(surefoot: Surefoot, runs: Vec<surefoot::RunId>) -> Result<(), RunError> {
    loop {
        for run in &runs {
            if surefoot.is_put_aside(*run).await? {
                surefoot.runtime().resume(*run, "operator").await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The CRM's database of the project in `folder`.
fn crm(folder: &Path) -> Result<Connection, Trouble> {
    let crm = Connection::open(folder.join("crm.db"))?;
    crm.busy_timeout(Duration::from_secs(5))?;
    Ok(crm)
}

/// Claims, written fields and notifications that stand there more than once, or with a version that one write cannot give.
///
/// # Errors
/// The database cannot be read.
pub fn doubled(folder: &Path) -> Result<u64, Trouble> {
    let crm = crm(folder)?;
    let count = |sql: &str| crm.query_row(sql, [], |row| row.get::<_, u64>(0));
    Ok(count("SELECT count(*) - count(DISTINCT lead || run || field) FROM claim")?
        + count("SELECT count(*) FROM field_value WHERE set_by = 'run' AND version <> 1")?
        + count("SELECT count(*) - count(DISTINCT lead) FROM notification")?)
}

/// A user who changes fields while runs are going on.
pub struct User {
    folder: PathBuf,
    chance: Chance,
    left: usize,
    made: Vec<(String, Field, String)>,
}

impl User {
    /// One who will change `edits` fields.
    pub fn new(folder: &Path, seed: u64, edits: usize) -> User {
        User { folder: folder.to_owned(), chance: Chance::of(seed, "edits"), left: edits, made: Vec::new() }
    }

    /// Goes on editing, one field every few milliseconds; never ends unless something is wrong.
    async fn edit(&mut self) -> Trouble {
        loop {
            tokio::time::sleep(Duration::from_millis(2 + self.chance.below(20) as u64)).await;
            if self.left == 0 || !self.folder.join("crm.db").is_file() {
                continue;
            }
            if let Err(trouble) = self.one() {
                return trouble;
            }
        }
    }

    fn one(&mut self) -> Result<(), Trouble> {
        let crm = crm(&self.folder)?;
        let there: bool =
            crm.query_row("SELECT count(*) > 0 FROM sqlite_master WHERE name = 'field_value'", [], |row| row.get(0))?;
        if !there {
            return Ok(());
        }
        let leads: Vec<String> = crm
            .prepare("SELECT id FROM lead ORDER BY id")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        if leads.is_empty() {
            return Ok(());
        }
        let lead = &leads[self.chance.below(leads.len())];
        let field = Field::ALL[self.chance.below(Field::ALL.len())];
        if self.made.iter().any(|(made, of, _)| made == lead && *of == field) {
            return Ok(());
        }
        let value = format!("\"typed by a person {}\"", self.left);
        crm.execute(
            "INSERT INTO field_value (lead, field, value, set_by, version) VALUES (?1, ?2, ?3, 'person', 1)
             ON CONFLICT (lead, field) DO UPDATE SET value = excluded.value, set_by = 'person', version = version + 1",
            params![lead, field.as_str(), value],
        )?;
        self.made.push((lead.clone(), field, value));
        self.left -= 1;
        Ok(())
    }

    /// How many fields were changed, and how many of them are still as the user left them.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn stay(&self) -> Result<(usize, usize), Trouble> {
        let crm = crm(&self.folder)?;
        let mut stay = 0;
        for (lead, field, value) in &self.made {
            let now: String = crm.query_row(
                "SELECT value FROM field_value WHERE lead = ?1 AND field = ?2 AND set_by = 'person'",
                params![lead, field.as_str()],
                |row| row.get(0),
            )?;
            stay += usize::from(now == *value);
        }
        Ok((self.made.len(), stay))
    }
}

#[expect(clippy::print_stdout, reason = "the results are what it is for")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the one place where it complains")]
fn complain(text: &str) {
    eprintln!("error: {text}");
}
