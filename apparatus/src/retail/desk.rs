//! The shop as a tool: it honours keys, counts what was asked and what was done, and may be one that processes do not survive.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use gateway::tool::native::NativeTool;
use kernel::{
    ids::IdempotencyKey,
    recovery::{Failure, FailureKind, Phase},
    values::Value,
};
use tokio::sync::Notify;

use super::shop::{CHANGES, REFUNDS, Shop};

/// The world outside: it survives every process.
#[derive(Default)]
pub struct Desk {
    book: Mutex<Book>,
    /// Whether every other call acts and is never answered, and each life of the process gets one answer at most.
    deadly: bool,
    hung: Notify,
}

/// What the desk did.
#[derive(Default)]
pub struct Book {
    /// As it stands now.
    pub shop: Shop,
    /// Calls, repeated ones among them.
    pub asked: u64,
    /// Changes, in order: each once.
    pub done: Vec<String>,
    /// What was answered under which key.
    answers: BTreeMap<String, String>,
    /// Whether the last call was not answered.
    left: bool,
    /// Whether this life of the process got its answer.
    answered: bool,
    /// How many processes there were before this one.
    life: u64,
}

impl Desk {
    /// A desk that answers everything; or a deadly one: a call acts and is never answered, the one that repeats it is, and who got an
    /// answer gets no other one in the same life.
    pub fn new(deadly: bool) -> Arc<Desk> {
        Arc::new(Desk { deadly, ..Desk::default() })
    }

    /// The way to the desk of a new process: the ones before it are dead, and what is left of their tasks asks in vain.
    pub fn counter(self: &Arc<Self>) -> Counter {
        let mut book = self.book();
        book.answered = false;
        book.life += 1;
        Counter { desk: self.clone(), life: book.life }
    }

    /// What it did so far.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        // A panic within a tool would leave a shop half changed, and the digest would tell.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a call has acted and is not answered.
    pub async fn hung(&self) {
        self.hung.notified().await;
    }
}

impl Book {
    fn perform(&mut self, operation: &str, input: &Value, key: &str) -> Result<Value, Failure> {
        let rejected = |detail: String| Failure {
            kind: FailureKind::ToolRejected,
            phase: Phase::Answered,
            detail,
            retry_after: None,
        };
        self.asked += 1;
        let with: serde_json::Value =
            serde_json::from_str(&input.to_json()).map_err(|why| rejected(why.to_string()))?;
        if operation == "refund_of" {
            let cents = self.shop.refund_cents(&with).map_err(rejected)?;
            return Ok(Value::map([("cents", Value::Int(cents))]));
        }
        if !CHANGES.contains(&operation) {
            return Ok(Value::text(self.shop.call(operation, &with)));
        }
        if let Some(answer) = self.answers.get(key) {
            return Ok(Value::text(answer.clone()));
        }
        if REFUNDS.contains(&operation) {
            let cents = self.shop.refund_cents(&with).map_err(rejected)?;
            if with["refund_cents"] != cents {
                return Err(rejected(format!("{cents} cents would go back, not {}", with["refund_cents"])));
            }
        }
        let answer = self.shop.call(operation, &with);
        self.done.push(format!("{operation} {with}"));
        self.answers.insert(key.to_owned(), answer.clone());
        Ok(Value::text(answer))
    }
}

/// The desk as one runtime calls it.
pub struct Counter {
    desk: Arc<Desk>,
    life: u64,
}

#[async_trait]
impl NativeTool for Counter {
    async fn call(&self, operation: &str, input: Value, key: &IdempotencyKey) -> Result<Value, Failure> {
        let Counter { desk, life } = self;
        let answer = {
            let mut book = desk.book();
            // Whoever got its answer in this life is about to die: it must not get on before.
            let dead = book.life != *life || (desk.deadly && book.answered);
            if dead { None } else { Some(book.perform(operation, &input, key.as_str())) }
        };
        let Some(answer) = answer else { return std::future::pending().await };
        if desk.deadly {
            let left = {
                let mut book = desk.book();
                book.left = !book.left;
                book.answered = !book.left;
                book.left
            };
            if left {
                desk.hung.notify_one();
                return std::future::pending().await;
            }
        }
        answer
    }
}
