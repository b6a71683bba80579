//! Tools that are programs on this machine.
//!
//! A program gets its arguments as they are, without a shell, the input as canonical JSON on standard input and an empty
//! environment; its standard output is the answer, JSON. It runs in a sandbox ([`sandbox`]): no network, no files of the machine but
//! those that programs are made of, limits on everything. What the sandbox is made of is not there on every machine: then nothing runs.
//!
//! | what happened | failure | phase |
//! | --- | --- | --- |
//! | an argument that would be read as an option, or cannot be one | `invalid_arguments` | inside |
//! | the sandbox cannot be made | `internal` | inside |
//! | it ended with another code than 0 | `tool_rejected` | answered |
//! | it was killed: too much time, memory, output | `tool_error` | answered |
//! | not done in time | `tool_timeout` | answered |
//! | what it printed is no JSON, or more than 8 MiB | `contract_violated` | answered |

use std::{collections::BTreeMap, path::PathBuf, process::Stdio, sync::Arc};

use async_trait::async_trait;
use kernel::{
    expr::Text,
    governance::Permit,
    recovery::{Failure, FailureKind, Phase},
    values::{Span, Value},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::oneshot,
};

use super::{http::lenient, stranger, values};
use crate::{Outcome, Tool};

pub(crate) mod wider;

#[cfg(target_os = "linux")]
pub mod sandbox;
#[cfg(not(target_os = "linux"))]
#[path = "command/elsewhere.rs"]
pub mod sandbox;

/// The longest answer that is read.
const LONGEST: u64 = 8 * 1024 * 1024;
/// What is kept of standard error, for the record.
const LONGEST_ERROR: u64 = 64 * 1024;

/// One way to call a program.
#[derive(Clone, Debug)]
pub struct CommandOperation {
    /// The arguments; their holes know one name, `with`.
    pub args: Vec<Text>,
    /// From starting it to its end.
    pub timeout: Span,
}

/// A tool file's command part, as data.
#[derive(Clone, Debug)]
pub struct CommandSpec {
    /// A program whose `main` hands over to [`sandbox::main`] when its first argument says so: as a rule this one.
    pub sandbox: PathBuf,
    /// The program.
    pub program: PathBuf,
    /// By name.
    pub operations: BTreeMap<Arc<str>, CommandOperation>,
}

/// A command tool that cannot be set up as its file says.
#[derive(Debug, thiserror::Error)]
pub enum BadCommandTool {
    /// A text that reads something other than `with`.
    #[error("`{operation}` reads `{name}`, and arguments are made from `with` alone")]
    Name {
        /// Which operation.
        operation: Arc<str>,
        /// The name.
        name: Arc<str>,
    },
}

/// A tool file's command part, ready to act.
pub struct CommandTool {
    spec: CommandSpec,
}

/// How a program ended.
struct Ended {
    code: Option<i32>,
    out: Vec<u8>,
    error: Vec<u8>,
}

impl CommandTool {
    /// Checks each name. Nothing is started yet.
    ///
    /// # Errors
    /// [`BadCommandTool`]: the tool file must be corrected.
    pub fn new(spec: CommandSpec) -> Result<CommandTool, BadCommandTool> {
        for (name, operation) in &spec.operations {
            if let Some(root) = stranger(operation.args.iter().flat_map(|text| text.roots())) {
                return Err(BadCommandTool::Name { operation: name.clone(), name: root });
            }
        }
        Ok(CommandTool { spec })
    }

    async fn perform(&self, tool: &str, operation: &str, input: &[u8]) -> Outcome {
        let called = format!("{tool}.{operation}");
        let failed = |kind, phase, why: String| {
            Outcome::failed(Failure { kind, phase, detail: format!("`{called}` {why}"), retry_after: None })
        };
        let Some(command) = self.spec.operations.get(operation) else {
            return failed(FailureKind::Internal, Phase::Inside, "is no operation of this process".to_owned());
        };
        let args = match arguments(&command.args, input) {
            Ok(args) => args,
            Err(why) => {
                return failed(FailureKind::InvalidArguments, Phase::Inside, format!("cannot be called: {why}"));
            }
        };
        let ended = match self.run(args, input.to_vec(), command.timeout).await {
            Ok(Some(ended)) => ended,
            Ok(None) => {
                let why =
                    format!("was not done within {}, and was killed with all that it had started", command.timeout);
                return failed(FailureKind::ToolTimeout, Phase::Answered, why);
            }
            Err(error) => {
                return failed(FailureKind::Internal, Phase::Inside, format!("could not be started: {error}"));
            }
        };
        let raw = |bytes: Vec<u8>| (!bytes.is_empty()).then(|| bytes.into());
        if ended.out.len() as u64 > LONGEST {
            let why = format!("printed more than {} MiB", LONGEST / 1024 / 1024);
            return failed(FailureKind::ContractViolated, Phase::Answered, why);
        }
        let (kind, phase, why) = match ended.code {
            Some(0) => match serde_json::from_slice(&ended.out) {
                Ok(json) => return Outcome { answer: Ok(lenient(json)), raw: raw(ended.out) },
                Err(_) => {
                    (FailureKind::ContractViolated, Phase::Answered, "printed something that is no JSON".to_owned())
                }
            },
            Some(sandbox::CANNOT) => {
                let why = String::from_utf8_lossy(&ended.error);
                let why = why.trim().strip_prefix(sandbox::SAYS).unwrap_or("the sandbox cannot be made").to_owned();
                return failed(FailureKind::Internal, Phase::Inside, format!("was not started: {why}"));
            }
            Some(code) if code < 128 => {
                (FailureKind::ToolRejected, Phase::Answered, format!("ended with the code {code}"))
            }
            Some(code) => (FailureKind::ToolError, Phase::Answered, format!("was ended by the signal {}", code - 128)),
            None => (FailureKind::ToolError, Phase::Answered, "was killed".to_owned()),
        };
        Outcome { raw: raw(if ended.error.is_empty() { ended.out } else { ended.error }), ..failed(kind, phase, why) }
    }

    /// Runs it to its end; `None` when its time was up.
    ///
    /// The thread that starts the sandbox stays until the end: the system kills the sandbox when that thread ends.
    async fn run(&self, args: Vec<String>, input: Vec<u8>, timeout: Span) -> std::io::Result<Option<Ended>> {
        let mut command = Command::new(&self.spec.sandbox);
        let seconds = timeout.micros().unsigned_abs().div_ceil(1_000_000).max(1);
        command.arg(sandbox::OUTER).arg(seconds.to_string()).arg(&self.spec.program).args(args);
        command.env_clear().current_dir("/").kill_on_drop(true).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(nobody) = sandbox::nobody() {
            command.uid(nobody).gid(nobody);
        }
        let (waiting, forgotten) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Handle::current();
        let running = tokio::task::spawn_blocking(move || {
            runtime.block_on(async move {
                let mut child = command.spawn()?;
                let ended = tokio::select! {
                    ended = finish(&mut child, input) => Some(ended?),
                    () = tokio::time::sleep(crate::duration(timeout)) => None,
                    _ = forgotten => None,
                };
                if ended.is_none()
                    && let Some(group) = child.id()
                {
                    sandbox::kill(group);
                    child.wait().await?;
                }
                Ok(ended)
            })
        });
        let ended = running.await.unwrap_or_else(|_| Err(std::io::Error::other("its thread panicked")));
        drop(waiting);
        ended
    }
}

#[async_trait]
impl Tool for CommandTool {
    async fn call(&self, permit: &Permit) -> Outcome {
        self.perform(permit.tool(), permit.operation(), permit.input()).await
    }
}

async fn finish(child: &mut Child, input: Vec<u8>) -> std::io::Result<Ended> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program need not read its input.
            let _ = stdin.write_all(&input).await;
        }
    };
    let ((), out, error) = tokio::join!(write, some(stdout, LONGEST + 1), some(stderr, LONGEST_ERROR));
    // What goes on printing after its limit meets a closed pipe.
    let status = child.wait().await?;
    Ok(Ended { code: status.code(), out: out?, error: error? })
}

async fn some(from: Option<impl AsyncRead + Unpin>, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(most).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn arguments(texts: &[Text], input: &[u8]) -> Result<Vec<String>, String> {
    let with = Value::from_json(input).map_err(|error| format!("its input is no canonical JSON: {error}"))?;
    let one = |text: &Text| {
        let argument = text.render(&values(text.roots(), &with))?;
        if argument.contains('\0') {
            return Err(format!("`{}` would hold a NUL", text.source()));
        }
        if argument.starts_with('-') && !text.source().starts_with('-') {
            return Err(format!("`{}` would begin with `-`, and be read as an option", text.source()));
        }
        Ok(argument)
    };
    texts.iter().map(one).collect()
}
