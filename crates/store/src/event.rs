//! Words of events: what a run or a person publishes, and what runs wait for.

use std::sync::Arc;

use kernel::{ids::RunId, values::Timestamp};

use crate::{KeyKind, Message, RunKey};

/// At most so many kept events are told to a run that begins to wait: the others when it waits again.
pub const TOLD_AT_ONCE: u32 = 20;

/// What an event is known by: whoever waits for the same hears of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic {
    /// Whose runs.
    pub tenant: Arc<str>,
    /// Of which project.
    pub project: Arc<str>,
    /// The event's type.
    pub name: Arc<str>,
    /// About what.
    pub key: Arc<str>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its id: a second one with the same id is no event.
    pub id: Arc<str>,
    /// How its publisher calls it, where that is not its id: runs that are told of it are found by it.
    pub called: Option<Arc<str>>,
    /// What it is known by.
    pub topic: Topic,
    /// Which run published it; `None`: a person.
    pub run: Option<RunId>,
    /// Who, in words.
    pub sender: Arc<str>,
    /// Canonical JSON: what is told.
    pub body: Arc<[u8]>,
    /// When.
    pub at: Timestamp,
    /// Events before this are forgotten.
    pub since: Timestamp,
}

impl Published {
    /// What a run that was told of it is found by.
    pub fn key(&self) -> RunKey {
        let value = self.called.as_ref().unwrap_or(&self.id).clone();
        RunKey { kind: KeyKind::Event, name: self.topic.name.clone(), value }
    }

    /// What a run that waits for it finds in its inbox.
    pub fn message(&self) -> Message {
        Message {
            seq: 0,
            id: format!("event:{}", self.id).into(),
            kind: "event".into(),
            name: self.topic.name.clone(),
            sender: self.sender.clone(),
            body: self.body.clone(),
            at: self.at,
        }
    }
}
