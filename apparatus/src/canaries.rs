//! Secrets that sing: every tool of a project carries one, every server says it back in all forms, and then it is looked for wherever
//! anything was written.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde::Serialize;
use tokio::process::Command;

use self::{forms::forms, world::WAYS};
use crate::victim::{self, Trouble};

mod forms;
mod world;

/// `apparatus canaries`
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Keep what was written, in this folder.
    #[arg(long)]
    pub keep: Option<PathBuf>,
}

/// `apparatus cli`: the command line itself, so that it runs in a process of its own.
#[derive(Clone, Debug, clap::Args)]
pub struct Line {
    /// As `surefoot` has them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

/// Runs the command line in this process, and ends it.
///
/// # Errors
/// The thread cannot be joined.
pub fn line(arguments: Line) -> Result<(), Trouble> {
    let environment = std::sync::Arc::new(|name: &str| std::env::var(name).ok());
    let words = std::iter::once(OsString::from("surefoot")).chain(arguments.words);
    let words: Vec<OsString> = words.collect();
    // It brings its own threads, and this one serves others.
    let code = std::thread::spawn(move || surefoot::cli::main(words, environment)).join();
    std::process::exit(code.map_err(|_| "the command line panicked")?)
}

/// One canary: where it was carried, and where it was found.
#[derive(Clone, Debug, Serialize)]
pub struct Canary {
    /// What carries it.
    pub canary: &'static str,
    /// Files and outputs that were searched.
    pub searched: usize,
    /// Forms that were looked for.
    pub forms: usize,
    /// Where it stands: `form in file`.
    pub hits: Vec<String>,
}

/// The canaries and how each is carried. `planted` is no secret: the search must find it.
const CARRIED: [(&str, &str); 6] = [
    ("env-key", "a header of a tool, from the environment"),
    ("file-key", "a header of a tool, from a file"),
    ("mail-key", "the password of a mail server"),
    ("hook-key", "the key of a webhook"),
    ("model-key", "the key of two models"),
    ("planted", "the input of the run: it must be found"),
];

/// Commands that are asked about the run afterwards.
const ASKED: [&[&str]; 14] = [
    &["runs", "ls"],
    &["runs", "show", "last"],
    &["runs", "why", "last"],
    &["runs", "watch", "last"],
    &["runs", "export", "last"],
    &["evidence", "show", "last"],
    &["evidence", "export", "last"],
    &["effects", "ls"],
    &["approvals", "ls"],
    &["work", "ls"],
    &["budget", "show"],
    &["check"],
    &["graph"],
    &["db", "check"],
];

/// What is said of a place without a data directory of its own.
const WITHOUT_DATA: [&str; 2] = ["check", "graph"];

struct Stage {
    program: PathBuf,
    folder: PathBuf,
    environment: Vec<(String, String)>,
}

impl Stage {
    fn project(&self) -> PathBuf {
        self.folder.join("project")
    }

    fn command(&self, words: &[&str], data: bool, out: &str) -> Result<Command, Trouble> {
        let mut command = Command::new(&self.program);
        command.arg("cli").arg("--").args(["--log", "trace"]).args(words).arg(self.project());
        if data {
            command.arg("--data").arg(self.folder.join("data"));
        }
        let output = self.folder.join("said");
        command.stdout(fs::File::create(output.join(format!("{out}.out")))?);
        command.stderr(fs::File::create(output.join(format!("{out}.err")))?);
        command.stdin(Stdio::null()).envs(self.environment.iter().cloned()).kill_on_drop(true);
        Ok(command)
    }
}

fn files(folder: &Path, into: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, into)?;
        } else {
            into.insert(path.display().to_string(), fs::read(&path)?);
        }
    }
    Ok(())
}

fn holds(bytes: &[u8], form: &[u8]) -> bool {
    bytes.windows(form.len()).any(|window| window == form)
}

/// Lets the run run, kills it in the middle, lets it go on, asks about it, and searches.
///
/// # Errors
/// The apparatus fails, or the run does not come to its end.
pub async fn canaries(program: &Path, arguments: &Arguments) -> Result<Vec<Canary>, Trouble> {
    let temporary = tempfile::tempdir()?;
    let folder = arguments.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    let secret = |name: &str| match name {
        "hook-key" => format!("whsec_{}", forms::base64(b"canary-of-the-hook-0123456789")),
        name => format!("cn4ry\"{name}/+=%&x<9"),
    };
    for part in ["project", "said", "secrets", "data"] {
        fs::create_dir_all(folder.join(part))?;
    }
    for (path, text) in world::FILES {
        let path = folder.join("project").join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)?;
    }
    fs::write(folder.join("secrets/file-key"), format!("{}\n", secret("file-key")))?;
    let (echo, standing) = world::echo(secret("hook-key")).await?;
    let mail = world::mail(secret("mail-key")).await?;
    let set = |name: &str, value: String| (name.to_owned(), value);
    let environment = vec![
        set("ECHO_URL", format!("http://{echo}")),
        set("DENY_URL", format!("http://{echo}/deny")),
        set("HOOK_URL", format!("http://{echo}/hook")),
        set("SMTP_URL", format!("smtp://{mail}")),
        set("SUREFOOT_SECRETS", folder.join("secrets").display().to_string()),
        set("SUREFOOT_SECRET_ENV_KEY", secret("env-key")),
        set("SUREFOOT_SECRET_MAIL_KEY", secret("mail-key")),
        set("SUREFOOT_SECRET_HOOK_KEY", secret("hook-key")),
        set("SUREFOOT_SECRET_MODEL_KEY", secret("model-key")),
    ];
    let stage = Stage { program: program.to_owned(), folder: folder.clone(), environment };
    let input = serde_json::json!({"ways": WAYS, "note": secret("planted")}).to_string();
    let mut first = stage.command(&["run", "--workflow", "tell", "--input", &input], true, "1 run")?.spawn()?;
    tokio::select! {
        () = standing.stands.notified() => {}
        ended = first.wait() => {
            let said = fs::read_to_string(folder.join("said/1 run.out"))?;
            return Err(format!("the run did not come to its middle: {}: {said}", ended?).into());
        }
        () = tokio::time::sleep(Duration::from_secs(60)) => return Err("the run did not come to its middle".into()),
    }
    first.start_kill()?;
    first.wait().await?;
    // As the dead process left it, its log unrecovered; then as those after it leave it.
    let (mut searched, mut left) = (BTreeMap::new(), BTreeMap::new());
    files(&folder.join("data"), &mut left)?;
    searched.extend(left.into_iter().map(|(file, bytes)| (format!("{file} at the death"), bytes)));
    let second = stage.command(&["run", "--resume"], true, "2 resume")?.status();
    let second = tokio::time::timeout(Duration::from_secs(60), second).await??;
    for (at, words) in ASKED.iter().enumerate() {
        let name = format!("{} {}", at + 3, words.join(" "));
        let asked = stage.command(words, !WITHOUT_DATA.contains(&words[0]), &name)?.status();
        tokio::time::timeout(Duration::from_secs(60), asked).await??;
    }
    files(&folder.join("said"), &mut searched)?;
    files(&folder.join("data"), &mut searched)?;
    let shown = fs::read_to_string(folder.join("said/4 runs show last.out"))?;
    if !second.success() || !shown.contains("completed") {
        return Err(format!("the run did not come to its end: {second}: {shown}").into());
    }
    let all = CARRIED.into_iter().map(|(name, _)| {
        let forms = forms(&secret(name));
        let hit = |(file, bytes): (&String, &Vec<u8>)| {
            let file = file.strip_prefix(&format!("{}/", folder.display())).unwrap_or(file).to_owned();
            let found: Vec<_> = forms.iter().filter(|(_, form)| holds(bytes, form)).map(|(form, _)| *form).collect();
            found.into_iter().map(move |form| format!("{form} in {file}")).collect::<Vec<_>>()
        };
        let hits = searched.iter().flat_map(hit).collect();
        Canary { canary: name, searched: searched.len(), forms: forms.len(), hits }
    });
    Ok(all.collect())
}

/// Searches with its lines on the standard output.
///
/// # Errors
/// The apparatus fails, a canary was found, or the planted one was not.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    let program = std::env::current_exe()?;
    let all = canaries(&program, &arguments).await?;
    for canary in &all {
        victim::say(canary)?;
    }
    let (secrets, planted): (Vec<&Canary>, Vec<&Canary>) = all.iter().partition(|canary| canary.canary != "planted");
    let hits: usize = secrets.iter().map(|canary| canary.hits.len()).sum();
    let found: usize = planted.iter().map(|canary| canary.hits.len()).sum();
    let searched = all.first().map(|canary| canary.searched);
    let summary =
        serde_json::json!({"canaries": secrets.len(), "hits": hits, "searched": searched, "planted_found": found});
    victim::say(&serde_json::json!({ "summary": summary }))?;
    match (hits, found) {
        (0, 0) => Err("the planted canary was not found: the search finds nothing".into()),
        (0, _) => Ok(()),
        (some, _) => Err(format!("secrets stand in {some} places").into()),
    }
}
