//! Messages to people: kept with the append that causes them, sent by whichever worker reaches their channel.
//!
//! The sender is level-triggered: it asks the store what is due, takes it for a while, hands it over and says what became of it. One
//! that dies in between sends again later, or another one does, under the same id. What cannot be handed over is tried again with
//! growing waits, and is dead after [`MOST_TRIES`] until a person lets it go again.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::join_all;
use gateway::channel::Message;
use kernel::{
    governance::channel::{News, Notice, Teller, quarantined},
    journal::Event,
    values::{Span, Timestamp, Value},
    workflow::project::Project,
};
use store::{ApprovalQuery, ApprovalState, OutMessage, OutQuery, OutRow, RunQuery, Status, StoreError, Tried};
use tokio::{sync::Notify, task::JoinSet};

use crate::{Inner, RunError, Runtime, govern::Asker, perform, worker::Local};

/// A message that was tried so often and never taken is dead.
pub const MOST_TRIES: u32 = 8;

/// The wait after the first try; each further one is four times as long, up to the last.
const BACKOFF: (Span, Span) = (Span::from_millis(5_000), Span::from_millis(3_600_000));

/// A sender that has said nothing for so long is taken for dead, and its messages are sent again.
const LEASE: Span = Span::from_millis(60_000);

/// Messages sent at a time.
const MOST: u32 = 16;

/// A sender looks at least this often for what other processes kept.
const POLL: Span = Span::from_millis(5_000);

/// What wakes the sender of this process.
#[derive(Debug, Default)]
pub(crate) struct Post {
    news: Notify,
    quarantined: AtomicBool,
}

impl Post {
    /// Something is to leave.
    pub(crate) fn look(&self) {
        self.news.notify_one();
    }

    /// Runs may have been put aside.
    pub(crate) fn look_for_quarantined(&self) {
        self.quarantined.store(true, Ordering::SeqCst);
        self.news.notify_one();
    }
}

/// As the store keeps it.
pub(crate) fn message(notice: Notice, at: Timestamp) -> OutMessage {
    let Notice { id, channel, body, due_at } = notice;
    OutMessage { id, channel, body: body.to_jcs().into(), at, due_at }
}

/// Sends what is due until the worker leaves; what is on its way then is brought to its end.
pub(crate) async fn send(inner: Arc<Inner>, local: Arc<Local>) -> Result<(), StoreError> {
    // What an earlier process put aside and told nobody of.
    inner.post.quarantined.store(true, Ordering::SeqCst);
    loop {
        if local.fenced() {
            return Ok(());
        }
        let next = match round(&inner).await {
            Ok(next) => next,
            Err(why @ (StoreError::Stopped { .. } | StoreError::Locked { .. })) => return Err(why),
            Err(why) => {
                tracing::warn!(%why, "messages to people cannot be looked at; it is tried again");
                None
            }
        };
        let due = async {
            match next {
                Some(next) => inner.clock.sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = local.left() => return Ok(()),
            () = inner.post.news.notified() => {}
            () = due => {}
            // Without a channel there is nothing of others to look for.
            () = inner.clock.sleep(POLL), if inner.gateway.channels().next().is_some() => {}
        }
    }
}

/// What is on its way when a worker leaves is waited for, and what is due then is tried once: nobody else may be there for long.
pub(crate) async fn last(inner: &Inner, sender: &mut JoinSet<Result<(), StoreError>>) {
    if inner.gateway.channels().next().is_none() {
        return;
    }
    let rest = async {
        while sender.join_next().await.is_some() {}
        round(inner).await
    };
    tokio::select! {
        done = rest => drop(done),
        () = inner.clock.sleep(inner.config.grace) => {}
    }
}

/// Sends all that is due; gives when the next message is.
async fn round(inner: &Inner) -> Result<Option<Timestamp>, StoreError> {
    if inner.post.quarantined.swap(false, Ordering::SeqCst)
        && let Err(why) = tell_quarantined(inner).await
    {
        inner.post.quarantined.store(true, Ordering::SeqCst);
        return Err(why);
    }
    let channels: Vec<Arc<str>> = inner.gateway.channels().cloned().collect();
    if channels.is_empty() {
        return Ok(None);
    }
    loop {
        // A look writes nothing: whoever is idle leaves the disk alone.
        let (next, now) = (inner.store.next_outbox(&channels).await?, inner.clock.now());
        if next.is_none_or(|next| next > now) {
            return Ok(next);
        }
        let rows = inner.store.take_outbox(&channels, MOST, now, now + LEASE).await?;
        for done in join_all(rows.into_iter().map(|row| one(inner, row))).await {
            done?;
        }
    }
}

async fn one(inner: &Inner, row: OutRow) -> Result<(), StoreError> {
    let id = row.id.clone();
    let tried = match row.body.as_deref().and_then(|body| Value::from_json(body).ok()) {
        None => Tried::Dead { why: "what it says cannot be read".into() },
        // Whoever had it died each time, perhaps over it.
        Some(_) if row.attempts > MOST_TRIES => {
            Tried::Dead { why: format!("{MOST_TRIES} senders took it, and none said what became of it").into() }
        }
        Some(body) => match not_needed(inner, &body).await? {
            Some(why) => Tried::Dropped { why },
            None => {
                let news = body.get("news").and_then(Value::as_str).unwrap_or_default().into();
                let message = Message { id: id.clone(), news, body };
                match perform::tell(&inner.gateway, &row.channel, &message).await {
                    Ok(()) => Tried::Left,
                    Err(failure) => again(&row, failure.detail.into(), failure.retry_after, inner.clock.now()),
                }
            }
        },
    };
    if let Tried::Again { why, .. } | Tried::Dead { why } = &tried {
        tracing::warn!(message = %id, channel = %row.channel, attempts = row.attempts, %why, "a message to people was not taken");
    }
    inner.store.outbox_tried(id, tried).await.map(drop)
}

fn again(row: &OutRow, why: Arc<str>, retry_after: Option<Span>, now: Timestamp) -> Tried {
    if row.attempts >= MOST_TRIES {
        return Tried::Dead { why };
    }
    let longer = 4_i64.saturating_pow(row.attempts.saturating_sub(1));
    let wait = Span::from_micros(BACKOFF.0.micros().saturating_mul(longer)).min(BACKOFF.1);
    Tried::Again { at: now + wait.max(retry_after.unwrap_or_default()), why }
}

/// Nobody is told that the time to decide is almost over once it is decided.
async fn not_needed(inner: &Inner, body: &Value) -> Result<Option<Arc<str>>, StoreError> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let (Some(news), Some(approval)) = (text("news"), text("approval")) else { return Ok(None) };
    if news != News::ApprovalExpiring.as_str() {
        return Ok(None);
    }
    let query = ApprovalQuery { id: Some(approval.into()), ..ApprovalQuery::default() };
    let row = inner.store.approvals(query).await?.into_iter().next();
    let state = row.map_or(ApprovalState::Cancelled, |row| row.state);
    Ok((state != ApprovalState::Pending).then(|| format!("the approval is {}", state.as_str()).into()))
}

/// Tells of runs that were put aside, each once: the same words again change nothing.
async fn tell_quarantined(inner: &Inner) -> Result<(), StoreError> {
    let charter = match inner.charters.refresh(&*inner.store).await {
        Ok(charter) => charter,
        Err(why) => match crate::engine::Halt::of_charter(why) {
            Ok(why) => return Err(why),
            // Nobody can be told by rules that cannot be followed; a run says so as soon as it goes on.
            Err(_) => return Ok(()),
        },
    };
    if charter.projects().all(|(_, statutes)| statutes.channels.is_empty()) {
        return Ok(());
    }
    let mut before = None;
    loop {
        let query = RunQuery { status: vec![Status::Quarantined], before, limit: 100, ..RunQuery::default() };
        let rows = inner.store.runs(query).await?;
        let Some(last) = rows.last().map(|row| row.run) else { return Ok(()) };
        for row in rows {
            let first = inner.store.journal(row.run, 0, 1).await?.into_iter().next();
            let Some(Ok(Event::RunStarted { project, .. })) = first.map(|entry| entry.event()) else { continue };
            let teller = Teller { run: row.run, project: &project, workflow: &row.workflow };
            let at = row.updated_at;
            for notice in quarantined(&charter.project(&project).channels, teller, row.epoch, at) {
                inner.store.tell(row.run, message(notice, at)).await?;
            }
        }
        before = Some(last);
    }
}

impl Runtime {
    /// Makes the channels of a project those of today, for runs that have begun as well. What stands there already changes nothing.
    ///
    /// # Returns
    /// Whether anything changed.
    ///
    /// # Errors
    /// The store fails.
    pub async fn channels(&self, project: &Project, asker: &Asker) -> Result<bool, RunError> {
        let known = self.charter().await?.project(&project.file.name).channels.clone();
        let declared: BTreeMap<_, _> =
            project.file.channels.iter().map(|(name, decl)| (name.clone(), decl.channel.clone())).collect();
        if known == declared {
            return Ok(false);
        }
        self.govern(&project.file.channels(), None, None, asker).await?;
        Ok(true)
    }

    /// Messages to people, oldest first.
    ///
    /// # Errors
    /// The store fails.
    pub async fn outbox(&self, query: OutQuery) -> Result<Vec<OutRow>, RunError> {
        self.inner.store.outbox(query).await.map_err(|why| RunError::store("read the outbox", why))
    }

    /// Lets a dead message be tried again.
    ///
    /// # Errors
    /// [`RunError::NotTaken`] with one sentence for the person, or the store fails.
    pub async fn outbox_again(&self, id: &Arc<str>) -> Result<(), RunError> {
        let again = self.inner.store.outbox_again(id.clone(), self.inner.clock.now()).await;
        if again.map_err(|why| RunError::store("let the message go again", why))? {
            self.inner.post.look();
            return Ok(());
        }
        let found = self.outbox(OutQuery { id: Some(id.clone()), ..OutQuery::default() }).await?.into_iter().next();
        let why = match found {
            None => format!("there is no message `{id}`"),
            Some(row) if row.body.is_none() => format!("`{id}` was erased with its run"),
            Some(row) => format!("`{id}` is not dead: it is {}", row.state.as_str()),
        };
        Err(RunError::NotTaken { why })
    }
}
