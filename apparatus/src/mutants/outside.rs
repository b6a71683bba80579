//! Scenarios with processes: what a kill loop would meet too rarely.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    ledger::{Line, Mode},
    ledgerd::Setting,
    life::{Ended, Life, Outside},
    mixed::{self, Mix},
    oracle::{Judgement, Oracle, Snapshot},
    resolver, syscalls,
    victim::{Said, Trouble},
};

/// Longer than a message is left to a sender of which nothing is heard, in milliseconds.
const SENDER_MS: u32 = 61_000;

/// A ledger, and one directory after the other.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    pub(crate) outside: Outside,
    pub(crate) batch: u64,
    life: u32,
    seed: u64,
    pub(crate) runs: u64,
    /// Which actions the runs have; `None`: all are of `mixed`.
    pub(crate) mix: Option<Mix>,
    /// Whether people are told by a channel.
    pub(crate) told: bool,
    program: PathBuf,
    oracle: Oracle,
}

impl Stage {
    pub(crate) async fn set(program: &Path, seed: u64, runs: u64) -> Result<Stage, Trouble> {
        let folder = tempfile::tempdir()?;
        let outside = Outside::start(program, &folder.path().join("ledger")).await?;
        let oracle = Oracle::new(0, BTreeMap::new());
        let (program, mix, told) = (program.to_owned(), None, false);
        Ok(Stage { folder, outside, batch: 0, life: 0, seed, runs, mix, told, program, oracle })
    }

    /// Begins a new directory, which does not exist yet.
    pub(crate) fn begin(&mut self) -> PathBuf {
        let _ = std::fs::remove_dir_all(self.data());
        self.batch += 1;
        self.life = 0;
        let oracle = Oracle::new(self.batch, mixed::cases(self.seed, self.batch, self.runs, self.mix));
        self.oracle = if self.told { oracle.telling() } else { oracle };
        self.data()
    }

    /// How the last life calls itself to the ledger.
    pub(crate) fn sender(&self) -> String {
        Oracle::sender(self.batch, self.life)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join(format!("data-{}", self.batch))
    }

    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The next life of this directory.
    pub(crate) fn life(&mut self) -> Life {
        self.life += 1;
        let life = Life::of(&self.program, &self.outside, &self.data(), (self.batch, self.life), self.runs, self.seed);
        let life = match self.mix {
            Some(mix) => life.with("--mix", mix),
            None => life,
        };
        match self.told {
            // A sender that died is taken for dead after a minute: so much later is each life.
            true => life.flag("--told").with("--off-ms", SENDER_MS * (self.life - 1)),
            false => life,
        }
    }

    /// Judges what that life left.
    pub(crate) async fn judge(&mut self, ended: &Ended) -> Result<Judgement, Trouble> {
        let snapshot = Snapshot::of_directory(&self.data(), &self.folder.path().join("copy")).await?;
        let batch = self.batch;
        self.outside.follow()?;
        let of = Oracle::sender(batch, self.life);
        let lines: Vec<&Line> =
            self.outside.ledger.lines.iter().filter(|line| line.sender.as_deref() == Some(&*of)).collect();
        Ok(self.oracle.judge(self.life, &ended.said, &snapshot, (&self.outside.ledger, &lines), ended.over()))
    }
}

impl Stage {
    /// Whether a journal, or what is kept for people, tells of something in these words.
    pub(crate) async fn tells(&self, words: &str) -> Result<bool, Trouble> {
        let snapshot = Snapshot::of_directory(&self.data(), &self.folder.path().join("copy")).await?;
        let mut kept = snapshot.outbox.iter().filter_map(|row| row.why.as_deref());
        if kept.any(|why| why.contains(words)) {
            return Ok(true);
        }
        let mut events = snapshot.runs.iter().flat_map(|seen| &seen.entries);
        Ok(events.any(|(_, event)| format!("{event:?}").contains(words)))
    }

    /// What a person finds out about the unknown outcomes that the last life left, in a file.
    pub(crate) async fn words(&self) -> Result<PathBuf, Trouble> {
        let snapshot = Snapshot::of_directory(&self.data(), &self.folder.path().join("copy")).await?;
        let found = resolver::words(&snapshot, &self.outside.ledger);
        let lines: Vec<String> = found.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let file = self.scratch("words");
        std::fs::write(&file, lines.join("\n"))?;
        Ok(file)
    }
}

/// The first violation as a text.
pub(crate) fn first(judged: &Judgement) -> Option<String> {
    judged.violations.first().map(|found| format!("{}: {}", found.rule, found.detail))
}

fn armed(life: Life, mutant: Option<&str>) -> Life {
    match mutant {
        Some(mutant) => life.variable("SUREFOOT_MUTANT", mutant),
        None => life,
    }
}

/// The process stands still before the nth COMMIT and is killed there; the next one makes no mistake and must come to its end.
pub(super) async fn stall(program: &Path, seed: u64, mutant: Option<&str>) -> Result<Option<String>, Trouble> {
    let mut stage = Stage::set(program, seed, 6).await?;
    let mut died = None;
    for nth in (1..=24).step_by(2) {
        stage.begin();
        let life = armed(stage.life(), mutant).variable("SUREFOOT_FAULT", &format!("before_commit:{nth}:stall"));
        let ended = life.live().await?;
        if let Some(found) = first(&stage.judge(&ended).await?) {
            return Ok(Some(format!("killed before commit {nth}: {found}")));
        }
        // An exit code is no death: it went wrong by itself before.
        if ended.status.code().is_some_and(|code| code != 0) {
            died = died.or(Some(format!("before commit {nth}: died: {}", ended.last_words())));
        }
        let ended = stage.life().live().await?;
        let judged = stage.judge(&ended).await?;
        if let Some(found) = first(&judged).or((!ended.over()).then(|| format!("died: {}", ended.last_words()))) {
            return Ok(Some(format!("after a death before commit {nth}: {found}")));
        }
    }
    Ok(died)
}

/// Counts fsyncs from outside.
pub(super) async fn syncs(program: &Path, seed: u64, mutant: Option<&str>) -> Result<Option<String>, Trouble> {
    let mut stage = Stage::set(program, seed, 6).await?;
    stage.begin();
    let mut life = armed(stage.life(), mutant);
    let log = stage.scratch("syncs");
    let traced = syscalls::can_trace();
    if traced {
        life.under = ["strace", "-f", "-qq", "-e", "trace=fdatasync,fsync", "-o"].map(Into::into).to_vec();
        life.under.push(log.clone().into());
    }
    let ended = life.live().await?;
    let judged = stage.judge(&ended).await?;
    let commits = ended.said.iter().find_map(|said| match said {
        Said::Done { commits } => Some(*commits),
        _ => None,
    });
    let Some(commits) = commits else {
        return Err(format!("the process did not come to its end: {}", ended.last_words()).into());
    };
    if traced {
        let text = std::fs::read_to_string(&log)?;
        let syncs = text.lines().filter(|line| line.contains("sync(")).count() as u64;
        if syncs < commits {
            return Ok(Some(format!("{syncs} fsyncs for {commits} commits")));
        }
    }
    Ok(first(&judged))
}

/// A run that ends every process: quarantined after three deaths, while the others finish and none of them is suspected for good.
pub(super) async fn poison(program: &Path, seed: u64, mutant: Option<&str>) -> Result<Option<String>, Trouble> {
    let mut stage = Stage::set(program, seed, 6).await?;
    stage.begin();
    for deaths in 0..8 {
        let ended = armed(stage.life(), mutant).flag("--poison").live().await?;
        if let Some(found) = first(&stage.judge(&ended).await?) {
            return Ok(Some(found));
        }
        if ended.said.iter().any(|said| matches!(said, Said::Resumed { .. })) {
            return Ok(Some("an innocent run was quarantined".to_owned()));
        }
        if ended.over() {
            return Ok((deaths > 3).then(|| format!("the poisoned run ended {deaths} processes")));
        }
    }
    Ok(Some("the poisoned run ended 8 processes and is not quarantined".to_owned()))
}

/// The receiver applies without an answer, rejects the next sendings, and is well again.
pub(super) async fn rejected(program: &Path, seed: u64, mutant: Option<&str>) -> Result<Option<String>, Trouble> {
    let mut stage = Stage::set(program, seed, 3).await?;
    stage.begin();
    let modes = stage.outside.modes();
    let set = |mode| Setting { kind: "perhaps".to_owned(), mode: Some(mode), ..Setting::default() };
    modes.set(&set(Mode::DropAfter)).await?;
    let life = tokio::spawn(armed(stage.life(), mutant).live());
    let seen = async {
        loop {
            stage.outside.follow()?;
            if stage.outside.ledger.applied_of("perhaps") > 0 {
                return Ok::<_, Trouble>(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), seen).await.map_err(|_| "no effect was asked for")??;
    modes.set(&set(Mode::Reject4xx)).await?;
    tokio::time::sleep(Duration::from_millis(400)).await;
    modes.set(&set(Mode::Ok)).await?;
    let ended = life.await??;
    let judged = stage.judge(&ended).await?;
    if let Some(found) =
        first(&judged).or((!ended.idle()).then(|| "nobody is asked about an unknown outcome".to_owned()))
    {
        return Ok(Some(found));
    }
    let words = stage.words().await?;
    let ended = stage.life().with("--words", words.display()).live().await?;
    let judged = stage.judge(&ended).await?;
    Ok(first(&judged).or((!ended.over()).then(|| format!("died: {}", ended.last_words()))))
}
