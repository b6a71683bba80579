//! Where an owner stands still: its first call blocks the thread that it is made on, its clock wakes nobody, and once it has lost its
//! run it may not join again, which another process could not either. Before that it may: a busy machine can starve its heartbeat.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use gateway::{Outcome, Tool};
use kernel::{
    governance::Permit,
    values::{Span, Timestamp},
};
use runtime::{Clock, Random, SystemClock, SystemRandom};
use tokio::sync::Notify;

use super::Window;

/// Nothing waits for longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// One owner's gate. It is open until the first call, and again once it is opened.
#[derive(Default)]
pub(super) struct Gate {
    /// A call has come, and everything else stands still.
    closed: AtomicBool,
    /// It blocks its thread.
    pub(super) stands: AtomicBool,
    open: Mutex<bool>,
    opened: Condvar,
    /// … for those that wait without a thread.
    wakes: Notify,
    /// The receiver has the request of the first call.
    pub(super) sent: Notify,
    /// Calls that were made and are not answered.
    pub(super) calls: AtomicU64,
    /// The first call has come: who draws an id from now on begins a second life.
    came: AtomicBool,
    /// The second life may end.
    gone: Mutex<bool>,
    left: Condvar,
}

fn lock(mutex: &Mutex<bool>) -> MutexGuard<'_, bool> {
    // One assignment at a time: a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    fn stand(&self) {
        self.stands.store(true, Ordering::SeqCst);
        let waited = self.opened.wait_timeout_while(lock(&self.open), PATIENCE, |open| !*open);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets everything go on.
    pub(super) fn open(&self) {
        *lock(&self.open) = true;
        self.closed.store(false, Ordering::SeqCst);
        self.opened.notify_all();
        self.wakes.notify_waiters();
    }

    /// Lets a second life of the worker end before it begins.
    pub(super) fn let_go(&self) {
        *lock(&self.gone) = true;
        self.left.notify_all();
    }

    async fn while_closed(&self) {
        loop {
            let woken = self.wakes.notified();
            tokio::pin!(woken);
            // Listen before looking: an opening in between is not missed.
            woken.as_mut().enable();
            if !self.closed.load(Ordering::SeqCst) {
                return;
            }
            woken.await;
        }
    }
}

/// A tool whose first call stands still in a window.
pub(super) struct Gated {
    pub(super) inner: Arc<dyn Tool>,
    pub(super) gate: Arc<Gate>,
    pub(super) window: Window,
    pub(super) first: AtomicBool,
}

#[async_trait]
impl Tool for Gated {
    async fn call(&self, permit: &Permit) -> Outcome {
        self.gate.calls.fetch_add(1, Ordering::SeqCst);
        let outcome = self.late(permit).await;
        self.gate.calls.fetch_sub(1, Ordering::SeqCst);
        outcome
    }
}

impl Gated {
    async fn late(&self, permit: &Permit) -> Outcome {
        if self.first.swap(true, Ordering::SeqCst) {
            self.gate.while_closed().await;
            return self.inner.call(permit).await;
        }
        self.gate.came.store(true, Ordering::SeqCst);
        self.gate.closed.store(true, Ordering::SeqCst);
        match self.window {
            Window::BeforeSending => {
                self.gate.stand();
                self.inner.call(permit).await
            }
            Window::Sent => {
                let mut call = self.inner.call(permit);
                let answered = tokio::select! {
                    outcome = &mut call => Some(outcome),
                    () = self.gate.sent.notified() => None,
                };
                self.gate.stand();
                match answered {
                    Some(outcome) => outcome,
                    None => call.await,
                }
            }
            Window::Answered => {
                let outcome = self.inner.call(permit).await;
                self.gate.stand();
                outcome
            }
        }
    }
}

/// The machine's clock, which wakes nobody while the gate is closed.
pub(super) struct Gazing {
    pub(super) clock: SystemClock,
    pub(super) gate: Arc<Gate>,
}

#[async_trait]
impl Clock for Gazing {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    async fn sleep_until(&self, at: Timestamp) {
        self.clock.sleep_until(at).await;
        self.gate.while_closed().await;
    }

    async fn sleep(&self, span: Span) {
        self.clock.sleep(span).await;
        self.gate.while_closed().await;
    }
}

/// The length of what a worker's id is drawn from.
const ID: usize = 10;

/// The machine's randomness, which ends a worker that would begin a second life after its first call.
pub(super) struct OneLife(pub(super) Arc<Gate>);

impl Random for OneLife {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() == ID && self.0.came.load(Ordering::SeqCst) {
            let waited = self.0.left.wait_timeout_while(lock(&self.0.gone), PATIENCE, |gone| !*gone);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            // No panic that anyone reads about: this worker is to be gone, as its process would be.
            std::panic::resume_unwind(Box::new("one life"));
        }
        SystemRandom.fill(bytes);
    }
}
