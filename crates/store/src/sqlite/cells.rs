//! From rows to our types. What does not fit is damage, named by table and row.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    ids::{Digest, RunId, WorkerId},
    journal::{Entry, Head},
    values::Timestamp,
};
use rusqlite::{
    Row,
    types::{FromSql, FromSqlError, FromSqlResult, ValueRef},
};

use super::packed;
use crate::{
    ActionState, ApprovalRow, ApprovalState, BudgetRow, Cooldown, ForkOf, GovernanceEntry, KeptAnswer, Message,
    OpenAction, OpenActionRow, OutRow, OutState, Reservation, RunRow, Seal, Status, StoreError, VoteRow, WorkRow,
};

/// As SQLite keeps a count. None of ours comes near the end of its range.
pub(super) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A digest that was read as bytes.
pub(super) fn runs_digest(bytes: [u8; 32]) -> Digest {
    Digest::from_bytes(bytes)
}

/// A row that is being read; every misfit becomes [`StoreError::Damaged`].
pub(super) struct Cells<'r, 's> {
    row: &'r Row<'s>,
    table: &'static str,
}

type Read<T> = Result<T, StoreError>;

impl<'r, 's> Cells<'r, 's> {
    pub fn new(table: &'static str, row: &'r Row<'s>) -> Self {
        Cells { row, table }
    }

    /// Reads one column.
    pub fn get<T: FromSql>(&self, column: &'static str) -> Read<T> {
        self.row.get(column).map_err(|error| self.damaged(column, &error.to_string()))
    }

    pub fn damaged(&self, column: &str, detail: &str) -> StoreError {
        // The first column of all our statements names the row.
        let row = match self.row.get_ref(0) {
            Ok(ValueRef::Blob(bytes)) => hex::encode(bytes),
            Ok(ValueRef::Integer(number)) => number.to_string(),
            Ok(ValueRef::Text(text)) => String::from_utf8_lossy(text).into_owned(),
            _ => "without a name".to_owned(),
        };
        StoreError::Damaged { table: self.table, row, detail: format!("{column}: {detail}") }
    }

    pub fn run(&self, column: &'static str) -> Read<RunId> {
        self.get(column).map(RunId::from_bytes)
    }

    pub fn worker(&self, column: &'static str) -> Read<Option<WorkerId>> {
        Ok(self.get::<Option<[u8; 16]>>(column)?.map(WorkerId::from_bytes))
    }

    pub fn digest(&self, column: &'static str) -> Read<Digest> {
        self.get(column).map(Digest::from_bytes)
    }

    pub fn count(&self, column: &'static str) -> Read<u64> {
        self.get(column)
    }

    pub fn text(&self, column: &'static str) -> Read<Arc<str>> {
        Ok(self.get::<Text>(column)?.0)
    }

    pub fn maybe_text(&self, column: &'static str) -> Read<Option<Arc<str>>> {
        Ok(self.get::<Option<Text>>(column)?.map(|text| text.0))
    }

    pub fn bytes(&self, column: &'static str) -> Read<Arc<[u8]>> {
        Ok(self.get::<Bytes>(column)?.0)
    }

    pub fn maybe_bytes(&self, column: &'static str) -> Read<Option<Arc<[u8]>>> {
        Ok(self.get::<Option<Bytes>>(column)?.map(|bytes| bytes.0))
    }

    pub fn time(&self, column: &'static str) -> Read<Timestamp> {
        self.get(column).map(Timestamp::from_micros)
    }

    pub fn maybe_time(&self, column: &'static str) -> Read<Option<Timestamp>> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp::from_micros))
    }

    /// How a run stands.
    pub fn status(&self) -> Read<Status> {
        let status = self.text("status")?;
        Status::parse(&status).ok_or_else(|| self.damaged("status", &format!("`{status}` is none")))
    }

    /// Reads a row of `run`.
    pub fn run_row(&self) -> Read<RunRow> {
        let status = self.status()?;
        let about: BTreeMap<Arc<str>, String> =
            serde_json::from_str(&self.text("about")?).map_err(|error| self.damaged("about", &error.to_string()))?;
        Ok(RunRow {
            run: self.run("id")?,
            tenant: self.text("tenant")?,
            workflow: self.text("workflow")?,
            bundle: self.digest("bundle")?,
            status,
            waits_for: self.maybe_text("waits_for")?,
            wake_at: self.maybe_time("wake_at_us")?,
            doing: self.maybe_text("doing")?,
            about,
            failure: self.maybe_text("failure")?,
            epoch: self.count("epoch")?,
            owner: self.worker("owner")?,
            head: Head { seq: self.count("head")?, hash: self.digest("head_hash")? },
            inbox_gen: self.count("inbox_gen")?,
            inbox_read: self.count("inbox_read")?,
            strikes: self.get("strikes")?,
            created_at: self.time("created_at_us")?,
            updated_at: self.time("updated_at_us")?,
            finished_at: self.maybe_time("finished_at_us")?,
            parent: self.get::<Option<[u8; 16]>>("parent")?.map(RunId::from_bytes),
            cost: self.get("cost_uusd")?,
            fork: match self.get::<Option<[u8; 16]>>("fork_of")?.map(RunId::from_bytes) {
                Some(run) => Some(ForkOf { run, entry: self.count("fork_entry")?, inbox: self.count("fork_inbox")? }),
                None => None,
            },
            again: self.get::<Option<[u8; 16]>>("again")?.map(RunId::from_bytes),
        })
    }

    /// Reads a row of `journal`: the run it says it belongs to, its entries in order, and where the row before stands.
    pub fn entries(&self) -> Read<(RunId, Vec<Entry>, i64)> {
        let bytes = self.row.get_ref("entries").map_err(|error| self.damaged("entries", &error.to_string()))?;
        let bytes = bytes.as_blob().map_err(|error| self.damaged("entries", &error.to_string()))?;
        let entries = packed::unpack(bytes, self.count("seq")?, self.count("count")?);
        Ok((self.run("run")?, entries.map_err(|detail| self.damaged("entries", &detail))?, self.get("prev")?))
    }

    /// Reads a row of `inbox`.
    pub fn message(&self) -> Read<Message> {
        Ok(Message {
            seq: self.count("seq")?,
            id: self.text("id")?,
            kind: self.text("kind")?,
            name: self.text("name")?,
            sender: self.text("sender")?,
            body: self.bytes("body")?,
            at: self.time("at_us")?,
        })
    }

    /// Reads a row of `open_action`.
    pub fn open_action(&self) -> Read<OpenAction> {
        Ok(OpenAction {
            step: self.text("step")?,
            action: self.text("action")?,
            effect: self.text("effect")?,
            key: self.text("key")?,
            attempt: self.get("attempt")?,
            since: self.time("since_us")?,
        })
    }

    /// Reads a row of `open_action` with its run and its state.
    pub fn open_action_row(&self) -> Read<OpenActionRow> {
        let state = self.text("state")?;
        let state = ActionState::parse(&state).ok_or_else(|| self.damaged("state", &format!("`{state}` is none")))?;
        Ok(OpenActionRow { run: self.run("run")?, action: self.open_action()?, state })
    }

    /// Reads a row of `governance`.
    pub fn governance(&self) -> Read<GovernanceEntry> {
        Ok(GovernanceEntry {
            no: self.count("no")?,
            at: self.time("at_us")?,
            by: self.text("who")?,
            auth: self.text("auth")?,
            body: self.bytes("body")?,
            hash: self.digest("hash")?,
        })
    }

    /// Reads a row of `approval`, without its votes.
    pub fn approval(&self) -> Read<ApprovalRow> {
        let state = self.text("state")?;
        let state = ApprovalState::parse(&state).ok_or_else(|| self.damaged("state", &format!("`{state}` is none")))?;
        let groups = serde_json::from_str::<Vec<String>>(&self.text("groups")?);
        let groups = groups.map_err(|error| self.damaged("groups", &error.to_string()))?;
        Ok(ApprovalRow {
            id: self.text("id")?,
            run: self.run("run")?,
            step: self.text("step")?,
            hash: self.digest("hash")?,
            shown: self.digest("shown")?,
            card: self.maybe_bytes("card")?,
            groups: groups.into_iter().map(Arc::from).collect(),
            quorum: self.get("quorum")?,
            requested_by: self.text("requested_by")?,
            requested_at: self.time("requested_at_us")?,
            expires_at: self.maybe_time("expires_at_us")?,
            state,
            closed_at: self.maybe_time("closed_at_us")?,
            votes: Vec::new(),
        })
    }

    /// Reads a row of `vote`.
    pub fn vote(&self) -> Read<VoteRow> {
        Ok(VoteRow {
            by: self.text("voter")?,
            decision: self.text("decision")?,
            shown: self.digest("shown")?,
            seq: self.count("seq")?,
            at: self.time("at_us")?,
        })
    }

    /// Reads a row of `work`.
    pub fn work(&self) -> Read<WorkRow> {
        Ok(WorkRow {
            id: self.text("id")?,
            run: self.run("run")?,
            step: self.text("step")?,
            queue: self.text("queue")?,
            card: self.maybe_bytes("card")?,
            opened_at: self.time("opened_at_us")?,
            due_at: self.maybe_time("due_at_us")?,
            claimed_by: self.maybe_text("claimed_by")?,
            claimed_at: self.maybe_time("claimed_at_us")?,
            closed_at: self.maybe_time("closed_at_us")?,
        })
    }

    /// Reads a row of `outbox`.
    pub fn out_message(&self) -> Read<OutRow> {
        let state = self.text("state")?;
        Ok(OutRow {
            id: self.text("id")?,
            run: self.run("run")?,
            channel: self.text("channel")?,
            body: self.maybe_bytes("body")?,
            at: self.time("at_us")?,
            attempts: self.get("attempts")?,
            state: OutState::parse(&state).ok_or_else(|| self.damaged("state", "it is none"))?,
            next_at: self.maybe_time("next_at_us")?,
            why: self.maybe_text("why")?,
        })
    }

    /// Reads a row of `seal`.
    pub fn seal(&self) -> Read<Seal> {
        let heads = Seal::unpack(&self.bytes("heads")?);
        Ok(Seal {
            no: self.count("no")?,
            at: self.time("at_us")?,
            upto: self.count("upto")?,
            heads: heads.ok_or_else(|| self.damaged("heads", "something is left over"))?,
            prev: self.digest("prev")?,
            hash: self.digest("hash")?,
            key_id: self.maybe_text("key_id")?,
            signature: self.maybe_bytes("signature")?,
        })
    }

    /// Reads a row of `budget`.
    pub fn budget(&self) -> Read<BudgetRow> {
        Ok(BudgetRow {
            scope: self.text("scope")?,
            unit: self.text("unit")?,
            period: self.get("period_us")?,
            limit: self.get("most")?,
            settled: self.get("settled")?,
            reserved: self.get("reserved")?,
            overrun: self.get("overrun")?,
            frozen: self.get("frozen")?,
        })
    }

    /// Reads a row of `cooldown`.
    pub fn cooldown(&self) -> Read<Cooldown> {
        Ok(Cooldown {
            scope: self.text("scope")?,
            until: self.time("until_us")?,
            why: self.text("why")?,
            run: self.run("run")?,
            since: self.time("since_us")?,
        })
    }

    /// Reads a row of `answer`.
    pub fn answer(&self) -> Read<KeptAnswer> {
        Ok(KeptAnswer {
            key: self.digest("key")?,
            run: self.run("run")?,
            entry: self.count("entry")?,
            at: self.time("at_us")?,
            until: self.time("until_us")?,
            value: self.bytes("value")?,
        })
    }

    /// Reads a row of `reservation`.
    pub fn reservation(&self) -> Read<Reservation> {
        Ok(Reservation {
            run: self.run("run")?,
            step: self.text("step")?,
            line: (self.text("scope")?, self.text("unit")?, self.get("period_us")?),
            amount: self.get("amount")?,
        })
    }
}

/// A text, copied once.
struct Text(Arc<str>);

impl FromSql for Text {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str().map(|text| Text(text.into()))
    }
}

/// Bytes, copied once.
struct Bytes(Arc<[u8]>);

impl FromSql for Bytes {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(bytes) => Ok(Bytes(bytes.into())),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}
