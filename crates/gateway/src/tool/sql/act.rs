//! One call: its statements, its key and its answer, in one transaction.

use std::sync::Arc;

use kernel::{
    governance::Effect,
    ids::Digest,
    recovery::{Failure, FailureKind, Phase},
    tool::sql::Rows,
    types::{Property, Type},
    values::Value,
};
use rusqlite::{
    Batch, Connection, Error, OptionalExtension as _, Statement, TransactionBehavior,
    fallible_iterator::FallibleIterator as _, named_params,
};

use super::{
    Call, SqlOperation,
    cells::{self, Column, Unbound},
    database::{Database, Open, guard},
    fault::{self, Stage, broken_contract},
};

const FIND_KEY: &str = include_str!("../../../sql/sqlite/find_key.sql");
const ADD_KEY: &str = include_str!("../../../sql/sqlite/add_key.sql");

/// The biggest answer, in bytes of names and values.
const MOST_BYTES: usize = 8 << 20;

/// What is to be done.
pub(super) struct Job {
    /// `tool.operation`.
    pub name: String,
    pub key: Arc<str>,
    pub operation: Arc<SqlOperation>,
    pub with: Value,
}

/// Why a call came to nothing, and whether its connection is of use.
struct Undone {
    failure: Failure,
    harmless: bool,
}

impl From<Failure> for Undone {
    fn from(failure: Failure) -> Undone {
        Undone { failure, harmless: true }
    }
}

/// Does it, or nothing.
pub(super) fn act(database: &Database, job: &Job, call: &Arc<Call>) -> Result<Value, Failure> {
    let effect = job.operation.effect;
    let mut open = database.connection(&job.name, effect, call)?;
    match job.within(&mut open, database, call) {
        Ok(answer) => {
            database.give_back(effect, open);
            Ok(answer)
        }
        Err(Undone { failure, harmless }) => {
            if harmless {
                database.give_back(effect, open);
            }
            Err(failure)
        }
    }
}

impl Job {
    fn undone(&self, stage: Stage) -> impl Fn(Error) -> Undone {
        move |error| Undone {
            failure: fault::failure(&self.name, stage, &error),
            // What a failed COMMIT leaves behind is not worth knowing.
            harmless: stage == Stage::Before && fault::harmless(&error),
        }
    }

    fn within(&self, open: &mut Open, database: &Database, call: &Call) -> Result<Value, Undone> {
        let behavior = match self.operation.effect {
            Effect::Read => TransactionBehavior::Deferred,
            _ => TransactionBehavior::Immediate,
        };
        let guarded = open.guarded.clone();
        // Dropped without a COMMIT, it is rolled back.
        let transaction = open.connection.transaction_with_behavior(behavior).map_err(self.undone(Stage::Before))?;
        if self.operation.effect != Effect::Read
            && let Some(answer) = self.answered(&transaction)?
        {
            return Ok(answer);
        }
        let answer = guard(&guarded, || self.run(&transaction))?;
        if let Some(schema) = &self.operation.returns
            && let Err(wrong) = schema.validate(&answer)
        {
            let why = format!("the answer does not fit its schema: {}", wrong.join("; "));
            return Err(broken_contract(&self.name, why).into());
        }
        if self.operation.effect != Effect::Read {
            let noted = named_params! {
                ":key": &*self.key,
                ":digest": self.digest(),
                ":answer": answer.to_json(),
                ":now_us": database.now_us(),
            };
            transaction.execute(ADD_KEY, noted).map_err(self.undone(Stage::Before))?;
        }
        if call.is_stopped() {
            return Err(fault::stopped(&self.name).into());
        }
        transaction.commit().map_err(self.undone(Stage::Commit))?;
        Ok(answer)
    }

    /// What the key stands for: the operation and its arguments.
    fn digest(&self) -> String {
        hex::encode(Digest::of(&[self.name.as_bytes(), b"\0", &self.with.to_jcs()]).bytes())
    }

    /// What was answered under this key before.
    fn answered(&self, connection: &Connection) -> Result<Option<Value>, Undone> {
        let found: Option<(String, String)> = connection
            .query_row(FIND_KEY, named_params! { ":key": &*self.key }, |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(self.undone(Stage::Before))?;
        let Some((digest, answer)) = found else { return Ok(None) };
        if digest != self.digest() {
            let detail = format!(
                "`{}`: the key {} was used for another operation or other arguments, nothing was done",
                self.name, self.key
            );
            let (kind, phase) = (FailureKind::ToolRejected, Phase::Answered);
            return Err(Failure { kind, phase, detail, retry_after: None }.into());
        }
        let answer = Value::from_json(answer.as_bytes())
            .map_err(|error| broken_contract(&self.name, format!("the noted answer cannot be read: {error}")))?;
        Ok(Some(answer))
    }

    fn run(&self, connection: &Connection) -> Result<Value, Undone> {
        let undone = self.undone(Stage::Before);
        let mut batch = Batch::new(connection, &self.operation.statement);
        let (mut used, mut changed, mut last) = (Vec::new(), 0_u64, None);
        while let Some(mut statement) = batch.next().map_err(&undone)? {
            let params = self.operation.params.as_deref();
            cells::bind(&mut statement, &self.with, params, &mut used).map_err(|unbound| match unbound {
                Unbound::Arguments(why) => self.arguments(why),
                Unbound::Database(error) => undone(error),
            })?;
            let before = connection.total_changes();
            if statement.column_count() > 0 {
                last = Some(self.rows(&mut statement)?);
            } else {
                let mut rows = statement.raw_query();
                while rows.next().map_err(&undone)?.is_some() {}
            }
            drop(statement);
            // What a statement that changed no row leaves standing is the number of the one before it.
            if connection.total_changes() != before {
                changed += connection.changes();
            }
        }
        cells::all_used(&self.with, &used).map_err(|why| self.arguments(why))?;
        self.answer(last, changed)
    }

    fn arguments(&self, why: String) -> Undone {
        let detail = format!("`{}` ({}): {why}; nothing was done", self.name, self.operation.file);
        Failure::inside(FailureKind::InvalidArguments, detail).into()
    }

    /// All rows of one statement.
    fn rows(&self, statement: &mut Statement<'_>) -> Result<Vec<Value>, Undone> {
        let ty = self.operation.returns.as_ref().map_or(Type::Any, |schema| schema.ty().clone());
        let row_type = match (self.operation.rows, ty.present().property("rows")) {
            (Some(Rows::Many), Property::Found { ty, .. }) => ty.present().item(),
            (Some(Rows::Many), _) => Type::Any,
            _ => ty,
        };
        let columns: Vec<(Arc<str>, Column)> =
            statement.column_names().map(|name| (Arc::from(name), cells::column(&row_type, name))).collect();
        if let Some(twice) = (1..columns.len()).find(|at| columns[..*at].iter().any(|one| one.0 == columns[*at].0)) {
            let why = format!("the column `{}` stands twice: name one with `AS`", columns[twice].0);
            return Err(broken_contract(&self.name, why).into());
        }
        let (mut found, mut bytes) = (Vec::new(), 0);
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(self.undone(Stage::Before))? {
            let mut map = Vec::with_capacity(columns.len());
            for (at, (name, column)) in columns.iter().enumerate() {
                let cell = row.get_ref(at).map_err(self.undone(Stage::Before))?;
                bytes += name.len() + 8 + cell.as_bytes_or_null().ok().flatten().map_or(0, <[u8]>::len);
                if bytes > MOST_BYTES {
                    let why = format!("the answer has more than {MOST_BYTES} bytes, which is the most");
                    return Err(broken_contract(&self.name, why).into());
                }
                let value = cells::value(cell, *column)
                    .map_err(|why| broken_contract(&self.name, format!("the column `{name}`: {why}")))?;
                map.push((name.clone(), value));
            }
            found.push(Value::map(map));
        }
        Ok(found)
    }

    fn answer(&self, last: Option<Vec<Value>>, changed: u64) -> Result<Value, Undone> {
        let wrong = |why: &str| Err(broken_contract(&self.name, why).into());
        let Some(form) = self.operation.rows else {
            let changed = i64::try_from(changed).unwrap_or(i64::MAX);
            return Ok(Value::map([("changed", Value::Int(changed))]));
        };
        let Some(mut rows) = last else { return wrong("no statement gives rows") };
        match (form, rows.len()) {
            (Rows::Many, _) => Ok(Value::map([("rows", Value::list(rows))])),
            (Rows::Maybe, 0) => Ok(Value::Null),
            (Rows::One, 0) => wrong("it gave no row, and `rows: one` is declared"),
            (Rows::One | Rows::Maybe, 1) => Ok(rows.remove(0)),
            (Rows::One | Rows::Maybe, count) => {
                Err(broken_contract(&self.name, format!("it gave {count} rows, and one is declared")).into())
            }
        }
    }
}
