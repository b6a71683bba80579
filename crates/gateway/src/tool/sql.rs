//! Statements of the project on a database of the operator: SQLite.
//!
//! An operation is a file of statements that runs in one transaction; its arguments are bound, never written into a statement. The
//! key of an `idempotent` operation stands in the table `surefoot_key` of the same database, in the same transaction as the
//! change: both are there or neither is, whatever is killed in between. A `read` operation has a connection that cannot write.
//!
//! The database works on threads of its own. A call whose time is up, or whose future is dropped, is interrupted and rolled back.

mod act;
mod cells;
mod database;
mod fault;

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use kernel::{
    governance::{Effect, Permit},
    ids::IdempotencyKey,
    recovery::{Failure, FailureKind, Phase},
    schema::Schema,
    tool::sql::Rows,
    values::{Span, Value},
};

use self::{act::Job, database::Database};
pub use super::Now;
use crate::{Outcome, Tool};

/// A database and what can be done on it.
pub struct SqlSpec {
    /// The database file.
    pub database: PathBuf,
    /// Whether `database` may be, or lie behind, a symbolic link.
    pub links: bool,
    /// What makes its tables, in order. With none, the database must be there already.
    pub migrations: Vec<Migration>,
    /// By name.
    pub operations: BTreeMap<Arc<str>, SqlOperation>,
    /// The clock.
    pub now: Now,
}

/// One step in the making of a database.
#[derive(Clone, Debug)]
pub struct Migration {
    /// How it is noted.
    pub name: Arc<str>,
    /// Its statements.
    pub text: Arc<str>,
}

/// One operation.
#[derive(Clone, Debug)]
pub struct SqlOperation {
    /// `read` cannot write; `idempotent` is done once for each key.
    pub effect: Effect,
    /// Where the statements stand, for failures.
    pub file: Arc<str>,
    /// The statements, with parameters `:name`.
    pub statement: Arc<str>,
    /// What the answer is made of; `None`: `{ changed }`.
    pub rows: Option<Rows>,
    /// Says how arguments are bound, and which may be left out.
    pub params: Option<Arc<Schema>>,
    /// Says how columns are read; an answer that does not fit undoes the change.
    pub returns: Option<Arc<Schema>>,
    /// From the call to the end of the transaction.
    pub timeout: Span,
}

/// A call whose time is up may take so long to be rolled back; after that nobody waits for it, and nobody knows.
const GRACE: Duration = Duration::from_secs(2);

/// A tool that is reached by SQL.
pub struct SqlTool {
    operations: BTreeMap<Arc<str>, Arc<SqlOperation>>,
    database: Arc<Database>,
}

impl fmt::Debug for SqlTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlTool").field("operations", &self.operations).finish_non_exhaustive()
    }
}

impl SqlTool {
    /// Touches nothing: the database is opened, and its migrations are applied, by the first call.
    pub fn new(spec: SqlSpec) -> SqlTool {
        let keys = spec.operations.values().any(|operation| operation.effect != Effect::Read);
        let database = Database::new(spec.database, spec.links, spec.migrations, keys, spec.now);
        let operations = spec.operations.into_iter().map(|(name, operation)| (name, Arc::new(operation))).collect();
        SqlTool { operations, database: Arc::new(database) }
    }

    /// Makes the tables and what else the tool needs, as its first call would; gives the file.
    ///
    /// # Errors
    /// The database cannot be opened, or its migrations cannot be applied. Nothing was begun.
    pub async fn prepare(&self, tool: &str) -> Result<PathBuf, Failure> {
        if !self.database.is_ready() {
            let call = Arc::new(Call::new(BUSY));
            let turn = self.database.turn(Effect::Idempotent).await;
            let (database, name) = (self.database.clone(), tool.to_owned());
            apart(tool, move || {
                let _turn = turn;
                database.prepare(&name, &call)
            })
            .await?;
        }
        Ok(self.database.file())
    }

    async fn perform(
        &self,
        (tool, operation): (&str, &str),
        judged: Effect,
        input: &[u8],
        key: &IdempotencyKey,
    ) -> Result<Value, Failure> {
        let name = format!("{tool}.{operation}");
        // A run of an older bundle may name an operation that the file has lost, or declares otherwise, since.
        let Some(found) = self.operations.get(operation) else {
            let detail = format!("the tool `{tool}` has no operation `{operation}` today");
            return Err(Failure::inside(FailureKind::Internal, detail));
        };
        if found.effect != judged {
            let detail = format!("`{name}` was allowed with another effect than its tool file declares today");
            return Err(Failure::inside(FailureKind::Internal, detail));
        }
        let with = Value::from_json(input).map_err(|error| {
            let detail = format!("the input of `{name}` is no canonical JSON: {error}");
            Failure::inside(FailureKind::Internal, detail)
        })?;
        let timeout = found.timeout;
        let job = Job { name: name.clone(), key: key.as_str().into(), operation: found.clone(), with };
        let call = Arc::new(Call::new(crate::duration(timeout)));
        // Dropped with this future: an abandoned call does not go on in secret.
        let _stop = StopOnDrop(call.clone());
        let mut work = pin!(in_turn(self.database.clone(), job, call.clone()));
        if let Ok(answer) = tokio::time::timeout(crate::duration(timeout), &mut work).await {
            return answer;
        }
        call.stop();
        if !call.has_begun() {
            return Err(fault::stopped(&name));
        }
        match tokio::time::timeout(GRACE, work).await {
            Ok(answer) => answer,
            Err(_) => {
                let detail = format!("`{name}` was not done within {timeout}, and the database does not stop");
                let (kind, phase) = (FailureKind::ToolTimeout, Phase::MaybeSent);
                Err(Failure { kind, phase, detail, retry_after: None })
            }
        }
    }
}

#[async_trait]
impl Tool for SqlTool {
    async fn call(&self, permit: &Permit) -> Outcome {
        let names = (&**permit.tool(), &**permit.operation());
        let answer = self.perform(names, permit.effect(), permit.input(), permit.key()).await;
        Outcome { answer, raw: None }
    }
}

/// Waits for the database's turn, then works on a thread of its own.
async fn in_turn(database: Arc<Database>, job: Job, call: Arc<Call>) -> Result<Value, Failure> {
    if !database.is_ready() {
        let turn = database.turn(Effect::Idempotent).await;
        let (database, call, name) = (database.clone(), call.clone(), job.name.clone());
        apart(&job.name, move || {
            let _turn = turn;
            if call.begin() { database.prepare(&name, &call) } else { Err(fault::stopped(&name)) }
        })
        .await?;
    }
    let turn = database.turn(job.operation.effect).await;
    let name = job.name.clone();
    apart(&name, move || {
        // Kept until the thread is done, also when nobody waits any more.
        let _turn = turn;
        if call.begin() { act::act(&database, &job, &call) } else { Err(fault::stopped(&job.name)) }
    })
    .await
}

async fn apart<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Failure {
            kind: FailureKind::ToolError,
            phase: Phase::MaybeSent,
            detail: format!("the thread of `{name}` ended early: the process log says where"),
            retry_after: None,
        })
    })
}

/// What the caller and the database's thread know of each other.
struct Call {
    /// So long it waits for a lock of another process.
    patience: Duration,
    begun: AtomicBool,
    stopped: AtomicBool,
}

/// So long a call waits for another process that has the database; in this process calls wait for their turn instead.
const BUSY: Duration = Duration::from_secs(5);

impl Call {
    fn new(timeout: Duration) -> Call {
        Call { patience: timeout.min(BUSY), begun: AtomicBool::new(false), stopped: AtomicBool::new(false) }
    }

    /// False if the call was given up before it began: then nothing may be done.
    fn begin(&self) -> bool {
        // In this order, so that who stops a call and finds it not begun knows that it never will.
        self.begun.store(true, Ordering::SeqCst);
        !self.is_stopped()
    }

    fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

struct StopOnDrop(Arc<Call>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[cfg(test)]
mod tests;
