//! Bad places: a disk that is full, a folder that cannot be written, a directory that somebody else has.
//!
//! Mounts need a namespace of their own: the instrument starts itself again under `unshare -m`, and says so where that is not
//! permitted.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde::Serialize;

use crate::{
    life::{Ended, Life, Outside},
    mixed,
    oracle::{Oracle, Snapshot},
    victim::{self, Said, Trouble},
};

/// `apparatus badland`
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Inside the namespace, where mounts are ours.
    #[arg(long, hide = true)]
    inside: bool,
}

/// One place.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// What is bad about it.
    pub place: &'static str,
    /// Whether all is as it must be; `null`: it could not be tried here.
    pub well: Option<bool>,
    /// What happened.
    pub words: String,
}

/// Goes everywhere.
///
/// # Errors
/// The apparatus fails, or a place was not met as it must be.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    let program = std::env::current_exe()?;
    let mut bad = 0;
    let mut tell = |place: Place| -> Result<(), Trouble> {
        bad += u32::from(place.well == Some(false));
        Ok(victim::say(&place)?)
    };
    if arguments.inside {
        tell(read_only(&program).await?)?;
        tell(full(&program).await?)?;
    } else {
        for place in refusals(&program).await? {
            tell(place)?;
        }
        let inside = Command::new("unshare").arg("-m").arg(&program).args(["badland", "--inside"]).status();
        let mountable = Command::new("unshare").args(["-m", "true"]).stderr(Stdio::null()).status();
        match inside {
            Ok(status) if status.success() => {}
            Ok(_) if mountable.is_ok_and(|status| status.success()) => bad += 1,
            _ => {
                let words = "skipped: `unshare -m` is not permitted here".to_owned();
                tell(Place { place: "full disk, read-only file system", well: None, words })?;
            }
        }
    }
    if bad == 0 { Ok(()) } else { Err(format!("{bad} places were not met as they must be").into()) }
}

/// A life that must refuse with words that hold `wanted`.
async fn refusal(place: &'static str, life: Life, wanted: &str) -> Result<Place, Trouble> {
    let ended = life.live().await?;
    let words = ended.last_words().to_owned();
    let refused = ended.status.code().is_some_and(|code| code != 0) && ended.said.is_empty();
    Ok(Place { place, well: Some(refused && words.contains(wanted)), words: format!("{}: {words}", ended.status) })
}

/// Directories that cannot be used.
pub async fn refusals(program: &Path) -> Result<Vec<Place>, Trouble> {
    let folder = tempfile::tempdir()?;
    let outside = Outside::start(program, &folder.path().join("ledger")).await?;
    let life = |data: &Path| Life::of(program, &outside, data, (1, 1), 4, 1);
    let mut places = Vec::new();

    let missing = folder.path().join("no/such");
    places.push(refusal("missing folder", life(&missing), "cannot use the data directory").await?);

    let file = folder.path().join("file");
    fs::write(&file, "a file")?;
    places.push(refusal("file in the place of the folder", life(&file), "not a directory").await?);

    let strange = folder.path().join("strange");
    fs::create_dir(&strange)?;
    fs::write(strange.join("surefoot.db"), "this is no database, and long enough to look at it".repeat(100))?;
    places.push(refusal("no database", life(&strange), "damaged").await?);

    let shared = folder.path().join("shared");
    let mut first = life(&shared);
    first.kill_after = Some(Duration::from_secs(4));
    // Poisoned lives would end by themselves; a batch that nobody signals does not: it is killed while it works.
    let first = tokio::spawn(first.with("--at-once", 1).with("--runs", 400).live());
    while !shared.join("surefoot.db-wal").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    places.push(refusal("second process", life(&shared), "in use by another process").await?);
    let first: Ended = first.await??;
    let undisturbed = first.killed && first.said.iter().any(|said| matches!(said, Said::Started { .. }));
    let words = format!("{} lines, {}", first.said.len(), first.status);
    places.push(Place { place: "first process beside a second", well: Some(undisturbed), words });
    Ok(places)
}

fn mount(words: &[&str], at: &Path) -> Result<(), Trouble> {
    let status = Command::new("mount").args(words).arg(at).status()?;
    if status.success() { Ok(()) } else { Err(format!("mount {} gave {status}", words.join(" ")).into()) }
}

/// A tmpfs of this size, which lives as long as the namespace.
fn tmpfs(folder: &Path, size: &str) -> Result<PathBuf, Trouble> {
    let at = folder.join("mounted");
    fs::create_dir(&at)?;
    mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], &at)?;
    Ok(at)
}

async fn read_only(program: &Path) -> Result<Place, Trouble> {
    let folder = tempfile::tempdir()?;
    let outside = Outside::start(program, &folder.path().join("ledger")).await?;
    let at = tmpfs(folder.path(), "16m")?;
    let data = at.join("data");
    let life = || Life::of(program, &outside, &data, (1, 1), 2, 1);
    let first = life().live().await?;
    if !first.over() {
        return Err(format!("no batch on a small tmpfs: {}", first.stderr).into());
    }
    mount(&["-o", "remount,ro"], &at)?;
    let place = refusal("read-only file system", life(), "cannot use the data directory").await?;
    Command::new("umount").arg(&at).status()?;
    Ok(place)
}

/// The disk is full in the middle of a batch, and free again a while later.
async fn full(program: &Path) -> Result<Place, Trouble> {
    let folder = tempfile::tempdir()?;
    let mut outside = Outside::start(program, &folder.path().join("ledger")).await?;
    let at = tmpfs(folder.path(), "24m")?;
    let (data, ballast) = (at.join("data"), at.join("ballast"));
    let runs = 24;
    let first = tokio::spawn(Life::of(program, &outside, &data, (1, 1), runs, 1).live());
    while !data.join("surefoot.db-wal").exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let chunk = vec![0_u8; 64 << 10];
    let mut file = fs::File::create(&ballast)?;
    while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    drop(file);
    fs::remove_file(&ballast)?;
    let ended = first.await??;
    let snapshot = Snapshot::of_directory(&data, &folder.path().join("copy")).await?;
    let mut oracle = Oracle::new(1, mixed::cases(1, 1, runs, None));
    outside.follow()?;
    let lines: Vec<_> = outside.ledger.lines.iter().collect();
    let judged = oracle.judge(1, &ended.said, &snapshot, (&outside.ledger, &lines), ended.over());
    Command::new("umount").arg(&at).status()?;
    let refused = ended.said.iter().filter(|said| matches!(said, Said::Refused { .. })).count();
    let violations: Vec<_> =
        judged.violations.iter().map(|found| format!("{}: {}", found.rule, found.detail)).collect();
    let words = format!(
        "{refused} calls were refused with `the disk is full`; then {} of {runs} runs came to their end, {}{}",
        judged.runs_done,
        ended.status,
        violations.iter().map(|found| format!("; {found}")).collect::<String>()
    );
    Ok(Place { place: "full disk", well: Some(ended.over() && violations.is_empty()), words })
}
