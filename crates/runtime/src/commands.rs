//! What people and programs may ask of runs: start, signal, pause, resume, cancel, watch. Nothing here touches a journal: a
//! message goes into the run's inbox, and its owner folds it.

use std::sync::Arc;

use kernel::{
    fork::NotForked,
    ids::{Digest, RunId},
    next::{self, Starter, Starting},
    values::{Timestamp, Value},
    workflow::bundle::Bundle,
};
use store::{Message, Posted, Started, Status, StoreError};
use tokio::sync::oneshot;

use crate::{
    Ended, Entries, Runtime, Worker, clock,
    programs::NoProgram,
    watch,
    worker::{Job, new_run},
};

/// Most bytes of canonical JSON that a signal carries.
pub const SIGNAL_BYTES: usize = 1 << 20;

/// Most bytes of canonical JSON that an input has.
pub const INPUT_BYTES: usize = 8 << 20;

/// A run to be started.
#[derive(Clone, Debug)]
pub struct Start {
    /// The bundle, already deployed.
    pub bundle: Digest,
    /// One of its workflows.
    pub workflow: Arc<str>,
    /// What the run works on.
    pub input: Value,
    /// The same key with the same input starts one run, however often it is asked for.
    pub key: Option<Arc<str>>,
    /// Whose run it is; `main` if nobody says.
    pub tenant: Option<Arc<str>>,
    /// By whose policies and people it is judged, and who starts it.
    pub starter: Starter,
}

/// A started run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartedRun {
    /// Which.
    pub run: RunId,
    /// `false`: an earlier start with the same key had made it.
    pub created: bool,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No such bundle was deployed.
    #[error("bundle {bundle} is not in the store")]
    BundleMissing {
        /// Which.
        bundle: Digest,
    },
    /// The bundle has no such workflow, or this version cannot read it.
    #[error("workflow `{workflow}` of bundle {} cannot be loaded: {detail}", bundle.short())]
    BundleUnreadable {
        /// Which.
        bundle: Digest,
        /// Which of its workflows.
        workflow: Arc<str>,
        /// Why not.
        detail: String,
    },
    /// The input does not fit the workflow's schema.
    #[error("the input does not fit workflow `{workflow}`: {}", complaints.join("; "))]
    InputInvalid {
        /// Which workflow.
        workflow: Arc<str>,
        /// Every complaint, each with its place.
        complaints: Vec<String>,
    },
    /// A value is larger than what may travel.
    #[error("{what} has {bytes} bytes, at most {most} are possible")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its size as canonical JSON.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The start key belongs to a run with another input.
    #[error("start key `{key}` is taken by run {run}, which has another input")]
    KeyTaken {
        /// The key.
        key: Arc<str>,
        /// Who has it.
        run: RunId,
    },
    /// There is no such run.
    #[error("there is no run {run}")]
    NoRun {
        /// Which.
        run: RunId,
    },
    /// The run is over.
    #[error("run {run} is over: {}", status.as_str())]
    Over {
        /// Which.
        run: RunId,
        /// How it ended.
        status: Status,
    },
    /// Too many messages wait for the run.
    #[error("run {run} has {unread} messages that it has not read yet; no more are taken")]
    Crowded {
        /// Which.
        run: RunId,
        /// How many.
        unread: u64,
    },
    /// The journal does not say what it should.
    #[error("cannot read the journal of run {run}: {detail}")]
    Journal {
        /// Which.
        run: RunId,
        /// What is wrong.
        detail: String,
    },
    /// There is no such approval.
    #[error("there is no approval `{id}`")]
    NoApproval {
        /// Which.
        id: Arc<str>,
    },
    /// There is no such work.
    #[error("there is no work `{id}`")]
    NoWork {
        /// Which.
        id: Arc<str>,
    },
    /// The data are older than what was written down outside, or a copy: driving them would do again what they do not know of.
    #[error("{why}")]
    PutBack {
        /// What does not fit, with both sides.
        why: String,
        /// What a person may do.
        way: &'static str,
    },
    /// The anchor file cannot be read or written.
    #[error("cannot use the anchor file {path}")]
    Anchors {
        /// Where it is.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A run is not forked, or not tried again.
    #[error(transparent)]
    NotForked(#[from] kernel::fork::NotForked),
    /// What a person asked for is not done, for one reason.
    #[error("{why}")]
    NotTaken {
        /// The reason, for the person.
        why: String,
    },
    /// The store failed.
    #[error("cannot {doing}")]
    Store {
        /// What we were about to do.
        doing: &'static str,
        /// What it said.
        #[source]
        source: StoreError,
    },
}

impl RunError {
    pub(crate) fn store(doing: &'static str, source: StoreError) -> RunError {
        match source {
            StoreError::NoRun { run } => RunError::NoRun { run },
            source => RunError::Store { doing, source },
        }
    }

    /// What to try next, as words or a command to type.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            RunError::BundleMissing { .. } => "deploy the project first".to_owned(),
            RunError::BundleUnreadable { .. } => "see what the project has with `surefoot check`".to_owned(),
            RunError::InputInvalid { .. } => {
                "the input must fit the schema that the workflow's `input:` names".to_owned()
            }
            RunError::TooLarge { .. } => "pass a reference to the data instead of the data".to_owned(),
            RunError::KeyTaken { run, .. } => {
                format!("see what it works on with `surefoot runs show {run}`, or take another key")
            }
            RunError::NoRun { .. } => "list the runs with `surefoot runs ls`".to_owned(),
            RunError::Over { run, .. } => format!("see how it ended with `surefoot runs show {run}`"),
            RunError::Crowded { run, .. } => {
                format!("see what it waits for with `surefoot runs show {run}`; its worker may be down")
            }
            RunError::Journal { .. } => "find out what is damaged with `surefoot db check`".to_owned(),
            RunError::Store { source: StoreError::Full, .. } => {
                "free some space: nothing of this was written".to_owned()
            }
            RunError::Store { source: StoreError::Locked { .. }, .. } => {
                "another Surefoot process works in this directory: stop it, or choose another directory".to_owned()
            }
            RunError::PutBack { way, .. } => (*way).to_owned(),
            RunError::Anchors { .. } => {
                "name another file with SUREFOOT_ANCHORS, outside the data directory".to_owned()
            }
            RunError::NoWork { .. } => "list what waits with `surefoot work ls`".to_owned(),
            RunError::NoApproval { .. } => "list what waits with `surefoot approvals ls`".to_owned(),
            RunError::NotForked(why) => return not_forked(why),
            RunError::Store { .. } | RunError::NotTaken { .. } => return None,
        })
    }
}

fn not_forked(why: &NotForked) -> Option<String> {
    Some(match why {
        NotForked::Child { parent, .. } => format!("fork run {parent}, or try that one again"),
        NotForked::NotFailed { .. } => "a run that is paused goes on with `surefoot runs resume`".to_owned(),
        NotForked::NoStep { run } => format!("go on from an earlier entry with `surefoot runs fork {run} --at ENTRY`"),
        NotForked::Happened { run, entry, .. } => {
            format!("`surefoot runs fork {run} --at {entry}` goes on from there and asks people before each effect")
        }
        NotForked::Broken { .. } => "find out what is damaged with `surefoot db check`".to_owned(),
        NotForked::Erased { .. } | NotForked::NoEntry { .. } => return None,
    })
}

impl Runtime {
    /// Keeps a bundle in the store. Keeping it twice changes nothing.
    ///
    /// # Errors
    /// The store fails.
    pub async fn deploy(&self, bundle: &Bundle) -> Result<(), RunError> {
        let put = self.inner.store.put_bundle(bundle.digest, bundle.bytes.clone(), self.inner.clock.now());
        put.await.map_err(|why| RunError::store("keep the bundle", why))
    }

    /// Starts a run. When this returns, the run is durable; if a worker of this runtime has room, it drives the run at once.
    ///
    /// # Errors
    /// The bundle or the workflow is not there, the input does not fit, the key is taken, or the store fails. Nothing was
    /// started then; a failing store may have started it: the same start with the same key tells.
    pub async fn start(&self, start: Start) -> Result<StartedRun, RunError> {
        let inner = &self.inner;
        let loaded = inner.programs.get(&*inner.store, &inner.natives, start.bundle, &start.workflow).await;
        let loaded = loaded.map_err(|why| match why {
            NoProgram::Bundle => RunError::BundleMissing { bundle: start.bundle },
            NoProgram::Unreadable(detail) => {
                RunError::BundleUnreadable { bundle: start.bundle, workflow: start.workflow.clone(), detail }
            }
            NoProgram::Store(why) => RunError::store("read the bundle", why),
        })?;
        let (now, salt) = (inner.clock.now(), clock::bytes(&*inner.random));
        let run = RunId::new(now, clock::bytes(&*inner.random));
        let tenant = start.tenant.clone().unwrap_or_else(|| inner.tenant.clone());
        let prepare = |epoch| {
            next::start(&loaded.program, run, epoch, (&start.input, &start.starter), now, salt)
                .map_err(|complaints| RunError::InputInvalid { workflow: start.workflow.clone(), complaints })
        };
        // A worker here with room starts the run and drives it on in one task: a caller that goes away leaves no run without an
        // engine. Such a run is claimed by its start.
        let local = inner.local().clone();
        let seated = local.as_ref().and_then(|local| Some((local, local.seat(run)?)));
        let starting = prepare(u64::from(seated.is_some()))?;
        if let Some(blob) = starting.blobs.iter().find(|blob| blob.bytes.len() > INPUT_BYTES) {
            return Err(RunError::TooLarge { what: "the input", bytes: blob.bytes.len(), most: INPUT_BYTES });
        }
        let Some((local, seat)) = seated else { return self.queue(run, &start, &tenant, starting, now).await };
        let key = clock::bytes(&*inner.random);
        let (new, state) = new_run(run, &start, &tenant, starting, Some(local.id), key, now);
        let (reply, answer) = oneshot::channel();
        if local.hand(Job::Start { new: Box::new(new), state: Box::new(state), seat, reply }) {
            match answer.await {
                Ok(Ok(started)) => return self.started(run, &start, started),
                // It has lost its lease meanwhile, or ended: the run is for whoever comes.
                Ok(Err(StoreError::Misuse { .. })) | Err(_) => {}
                Ok(Err(why)) => return Err(RunError::store("start the run", why)),
            }
        }
        self.queue(run, &start, &tenant, prepare(0)?, now).await
    }

    /// Starts a run that no worker has yet. The same run may have been started a moment ago, by a worker that is gone.
    async fn queue(
        &self,
        run: RunId,
        start: &Start,
        tenant: &Arc<str>,
        starting: Starting,
        now: Timestamp,
    ) -> Result<StartedRun, RunError> {
        let key = clock::bytes(&*self.inner.random);
        let (new, _) = new_run(run, start, tenant, starting, None, key, now);
        let started = self.inner.store.start(new).await.map_err(|why| RunError::store("start the run", why))?;
        if let Some(local) = &*self.inner.local() {
            local.due_by(now);
        }
        self.started(run, start, started)
    }

    fn started(&self, new: RunId, start: &Start, started: Started) -> Result<StartedRun, RunError> {
        match started {
            Started::Created => Ok(StartedRun { run: new, created: true }),
            Started::Known { run } => Ok(StartedRun { run, created: run == new }),
            Started::Conflict { run } => {
                let key = start.key.clone().unwrap_or_else(|| run.to_string().into());
                Err(RunError::KeyTaken { key, run })
            }
            Started::Erased { run } => Err(NotForked::Erased { run }.into()),
        }
    }

    /// Sends a signal. It is kept until a `wait` takes it, in whatever order the two come.
    ///
    /// With `id`, the same signal counts once, however often it is sent.
    ///
    /// # Returns
    /// [`Posted::New`] or [`Posted::Known`]: it is durable.
    ///
    /// # Errors
    /// There is no such run, it is over, its inbox is full, the body is too large, or the store fails.
    pub async fn signal(
        &self,
        run: RunId,
        name: impl Into<Arc<str>>,
        body: Value,
        id: Option<Arc<str>>,
        sender: impl Into<Arc<str>>,
    ) -> Result<Posted, RunError> {
        self.post(run, "signal", name.into(), &body, id, sender.into(), false).await
    }

    /// Publishes an event for all runs of a tenant (`main` if nobody says) and project that wait for it, now or later. With `id`, the same
    /// event counts once, however often it is published. Runs that are told of it are found by `called`, or else by that.
    ///
    /// # Returns
    /// Whether it is new.
    ///
    /// # Errors
    /// The data are too large, or the store fails.
    pub async fn publish(
        &self,
        (tenant, project): (Option<Arc<str>>, Arc<str>),
        topic: kernel::journal::Topic,
        data: Value,
        (id, called): (Option<Arc<str>>, Option<Arc<str>>),
        sender: impl Into<Arc<str>>,
    ) -> Result<bool, RunError> {
        let inner = &self.inner;
        let body = Value::map([("key", Value::Text(topic.key.clone())), ("data", data)]).to_jcs();
        if body.len() > SIGNAL_BYTES {
            return Err(RunError::TooLarge { what: "the event", bytes: body.len(), most: SIGNAL_BYTES });
        }
        let called = called.or_else(|| id.clone());
        let id = id.map_or_else(
            || format!("evt_{:032x}", u128::from_be_bytes(clock::bytes(&*inner.random))),
            // Names that people give are apart from those that runs give.
            |id| format!("named:{id}"),
        );
        let at = inner.clock.now();
        let event = store::Published {
            id: id.into(),
            called,
            topic: store::Topic {
                tenant: tenant.unwrap_or_else(|| inner.tenant.clone()),
                project,
                name: topic.event,
                key: topic.key,
            },
            run: None,
            sender: sender.into(),
            body: body.into(),
            at,
            since: Timestamp::from_micros(at.micros().saturating_sub(inner.config.events_kept.micros())),
        };
        let new = inner.store.publish(event).await.map_err(|why| RunError::store("publish the event", why))?;
        if let Some(local) = &*inner.local() {
            local.due_by(at);
        }
        Ok(new)
    }

    /// Asks a run to start nothing more until it is resumed. What is open is brought to its end.
    ///
    /// # Errors
    /// As [`Runtime::signal`].
    pub async fn pause(&self, run: RunId, sender: impl Into<Arc<str>>) -> Result<Posted, RunError> {
        self.post(run, "pause", "".into(), &Value::Null, None, sender.into(), false).await
    }

    /// Lets a paused run go on, and gives a quarantined one another chance.
    ///
    /// # Errors
    /// As [`Runtime::signal`].
    pub async fn resume(&self, run: RunId, sender: impl Into<Arc<str>>) -> Result<Posted, RunError> {
        self.post(run, "resume", "".into(), &Value::Null, None, sender.into(), true).await
    }

    /// Asks a run to end. It starts nothing more, and ends when what is open has answered. Works in every state.
    ///
    /// # Errors
    /// As [`Runtime::signal`].
    pub async fn cancel(&self, run: RunId, sender: impl Into<Arc<str>>) -> Result<Posted, RunError> {
        self.post(run, "cancel", "".into(), &Value::Null, None, sender.into(), true).await
    }

    /// Asks a run to take back what it did, and then to end. It starts nothing else; what is open is brought to its end first, and what
    /// can be taken back is, the last result first. An undo that fails pauses the run; a plain [`Runtime::cancel`] ends it as it is then.
    ///
    /// # Errors
    /// As [`Runtime::signal`].
    pub async fn cancel_and_undo(&self, run: RunId, sender: impl Into<Arc<str>>) -> Result<Posted, RunError> {
        let body = Value::map([("undo", true.into())]);
        self.post(run, "cancel", "".into(), &body, None, sender.into(), true).await
    }

    #[expect(clippy::too_many_arguments, reason = "a message has these parts; the callers above name them")]
    pub(crate) async fn post(
        &self,
        run: RunId,
        kind: &'static str,
        name: Arc<str>,
        body: &Value,
        id: Option<Arc<str>>,
        sender: Arc<str>,
        pardon: bool,
    ) -> Result<Posted, RunError> {
        let inner = &self.inner;
        let body = body.to_jcs();
        if body.len() > SIGNAL_BYTES {
            return Err(RunError::TooLarge { what: "the signal", bytes: body.len(), most: SIGNAL_BYTES });
        }
        let id =
            id.unwrap_or_else(|| format!("{kind}_{:032x}", u128::from_be_bytes(clock::bytes(&*inner.random))).into());
        let at = inner.clock.now();
        let message = Message { seq: 0, id, kind: kind.into(), name, sender, body: body.into(), at };
        let posted = inner.store.post(run, message, pardon).await;
        match posted.map_err(|why| RunError::store("send a message to the run", why))? {
            Posted::Final { status } => Err(RunError::Over { run, status }),
            Posted::Crowded { unread } => Err(RunError::Crowded { run, unread }),
            posted => {
                if let Some(local) = &*inner.local()
                    && !local.poke(run)
                {
                    local.due_by(at);
                }
                Ok(posted)
            }
        }
    }

    /// A worker of this runtime; nothing runs until [`Worker::run`] does.
    pub fn worker(&self) -> Worker {
        Worker::new(self.inner.clone())
    }

    /// Waits until a run is over, in this process or another one. A parked run is waited for as well.
    ///
    /// # Errors
    /// There is no such run, its last entry cannot be read, or the store fails.
    pub async fn finished(&self, run: RunId) -> Result<Ended, RunError> {
        watch::finished(&self.inner, run).await
    }

    /// A run's durable entries, from the first on; new ones as they come, until the last.
    pub fn entries(&self, run: RunId) -> Entries {
        Entries::begin(self.inner.clone(), run)
    }
}
