//! The notebook: a built-in tool that writes lines into a file of the project's folder. It exists so that a first project has a
//! real effect outside the journal, whose every line can be counted.
//!
//! `save` (effect `idempotent`) appends one line of JSON for each idempotency key and waits until the disk has it; the same key
//! again changes nothing and gives the same answer. `list` (effect `read`) gives the lines.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use gateway::tool::native::NativeTool;
use kernel::{
    ids::IdempotencyKey,
    recovery::{Failure, FailureKind, Phase},
    values::Value,
};
use serde::{Deserialize, Serialize};

/// The file's name within the project's folder.
pub const FILE: &str = "notebook.jsonl";

/// The name under which a project declares it: `tool: notebook`, `native: true`.
pub const NAME: &str = "notebook";

/// A notebook file grows no further than this; a test project that meets it has a loop.
const MOST_BYTES: u64 = 256 << 20;

/// The notebook of one project. Several may be open on one file, in several processes: the file's lock orders them.
#[derive(Clone, Debug)]
pub struct Notebook {
    file: PathBuf,
}

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// From 1.
    pub id: u64,
    /// On what it is de-duplicated.
    pub key: Arc<str>,
    /// What `save` was given.
    pub note: Value,
}

impl Notebook {
    /// The notebook in `folder`. The file is made by the first `save`.
    pub fn of(folder: &Path) -> Notebook {
        Notebook { file: folder.join(FILE) }
    }

    /// Where it writes.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Writes `note` under `key`, once; gives the line that stands under this key.
    ///
    /// # Errors
    /// The file cannot be opened, locked, read or written. A line may stand there nevertheless: the same call says so.
    pub fn save(&self, key: &str, note: &Value) -> io::Result<Line> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&self.file)?;
        file.lock()?;
        let (lines, whole) = read(&mut file)?;
        if let Some(line) = lines.iter().find(|line| *line.key == *key) {
            // A crash may have left it in the cache of the system only.
            file.sync_data()?;
            return Ok(line.clone());
        }
        if whole > MOST_BYTES {
            return Err(io::Error::other(format!("the notebook has {whole} bytes, and {MOST_BYTES} is the most")));
        }
        // A write cut short by a crash was never acknowledged: its half line goes.
        if file.metadata()?.len() > whole {
            file.set_len(whole)?;
        }
        let line = Line { id: lines.last().map_or(0, |line| line.id) + 1, key: key.into(), note: note.clone() };
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.push(b'\n');
        file.write_all(&bytes)?;
        file.sync_data()?;
        Ok(line)
    }

    /// Every whole line, oldest first; none if there is no file.
    ///
    /// # Errors
    /// The file cannot be read, or a line is none of ours.
    pub fn list(&self) -> io::Result<Vec<Line>> {
        match File::open(&self.file) {
            Ok(mut file) => Ok(read(&mut file)?.0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// The whole lines, and how many bytes they take.
fn read(file: &mut File) -> io::Result<(Vec<Line>, u64)> {
    file.seek(SeekFrom::Start(0))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut lines = Vec::new();
    for (number, line) in text[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line = serde_json::from_slice(line)
            .map_err(|error| io::Error::other(format!("line {} is no note: {error}", number + 1)))?;
        lines.push(line);
    }
    Ok((lines, whole as u64))
}

#[async_trait]
impl NativeTool for Notebook {
    async fn call(&self, operation: &str, input: Value, key: &IdempotencyKey) -> Result<Value, Failure> {
        let (notebook, operation, key) = (self.clone(), operation.to_owned(), key.as_str().to_owned());
        // Waiting for the disk must not hold up the other runs of this thread.
        let work = tokio::task::spawn_blocking(move || notebook.act(&operation, &input, &key));
        work.await.unwrap_or_else(|_| Err(failed(Phase::MaybeSent, "the notebook's thread ended early")))
    }
}

impl Notebook {
    fn act(&self, operation: &str, input: &Value, key: &str) -> Result<Value, Failure> {
        let broken = |error: io::Error| failed(Phase::MaybeSent, format!("the file {FILE} cannot be used: {error}"));
        match operation {
            "save" => {
                let line = self.save(key, input).map_err(broken)?;
                Ok(Value::map([("id", number(line.id)), ("saved", Value::Bool(true))]))
            }
            "list" => {
                let lines = self.list().map_err(broken)?;
                let notes = lines.into_iter().map(|line| Value::map([("id", number(line.id)), ("note", line.note)]));
                Ok(Value::map([("notes", Value::list(notes))]))
            }
            other => Err(Failure {
                kind: FailureKind::ToolRejected,
                phase: Phase::NotSent,
                detail: format!("the notebook has no operation `{other}`: it has `save` and `list`"),
                retry_after: None,
            }),
        }
    }
}

fn number(id: u64) -> Value {
    Value::from(u32::try_from(id).unwrap_or(u32::MAX))
}

fn failed(phase: Phase, detail: impl Into<String>) -> Failure {
    Failure { kind: FailureKind::ToolError, phase, detail: detail.into(), retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::map([("text", Value::text(text))])
    }

    #[test]
    fn a_key_has_one_line_however_often_it_is_saved() {
        let folder = tempfile::tempdir().unwrap();
        let notebook = Notebook::of(folder.path());
        let first = notebook.save("sf_1", &text("lamp")).unwrap();
        assert_eq!(notebook.save("sf_1", &text("lamp")).unwrap(), first);
        assert_eq!(notebook.save("sf_2", &text("bench")).unwrap().id, 2);
        assert_eq!(
            std::fs::read_to_string(notebook.file()).unwrap(),
            "{\"id\":1,\"key\":\"sf_1\",\"note\":{\"text\":\"lamp\"}}\n{\"id\":2,\"key\":\"sf_2\",\"note\":{\"text\":\"bench\"}}\n"
        );
    }

    #[test]
    fn a_half_line_of_a_crash_is_no_note_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let notebook = Notebook::of(folder.path());
        notebook.save("sf_1", &text("lamp")).unwrap();
        OpenOptions::new()
            .append(true)
            .open(notebook.file())
            .unwrap()
            .write_all(b"{\"id\":2,\"key\":\"sf_2\"")
            .unwrap();
        assert_eq!(notebook.list().unwrap().len(), 1);
        notebook.save("sf_2", &text("bench")).unwrap();
        let keys: Vec<_> = notebook.list().unwrap().into_iter().map(|line| line.key).collect();
        assert_eq!(keys, ["sf_1".into(), Arc::<str>::from("sf_2")]);
    }

    #[test]
    fn what_is_no_note_of_ours_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let notebook = Notebook::of(folder.path());
        std::fs::write(notebook.file(), "shopping list\n").unwrap();
        assert!(notebook.save("sf_1", &text("lamp")).unwrap_err().to_string().contains("line 1 is no note"));
        assert_eq!(std::fs::read_to_string(notebook.file()).unwrap(), "shopping list\n");
    }

    #[test]
    fn writers_at_once_lose_nothing_and_repeat_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for key in 0..20 {
                        Notebook::of(folder.path()).save(&format!("sf_{key}"), &text("x")).unwrap();
                    }
                });
            }
        });
        let lines = Notebook::of(folder.path()).list().unwrap();
        assert_eq!(lines.iter().map(|line| line.id).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn it_is_a_tool_with_two_operations() {
        let folder = tempfile::tempdir().unwrap();
        let notebook = Notebook::of(folder.path());
        let run = kernel::ids::RunId::from_bytes([1; 16]);
        let key = IdempotencyKey::derive(run, &"save".into(), 0);
        let saved = notebook.call("save", text("lamp"), &key).await.unwrap();
        assert_eq!(saved.to_json(), r#"{"id":1,"saved":true}"#);
        let listed = notebook.call("list", Value::Null, &key).await.unwrap();
        assert_eq!(listed.to_json(), r#"{"notes":[{"id":1,"note":{"text":"lamp"}}]}"#);
        let failure = notebook.call("burn", Value::Null, &key).await.unwrap_err();
        assert_eq!((failure.kind, failure.phase), (FailureKind::ToolRejected, Phase::NotSent));
    }
}
