//! From bytes to what a model said: a whole body or a stream of events, cut anywhere.

use serde_json::Value as Json;

use super::{
    fault::Fault,
    heard::{Heard, Listen},
};
use crate::model::sse::Events;

/// Why what came is no answer.
#[derive(Debug, PartialEq)]
pub(crate) enum NoAnswer {
    /// The server said so.
    Fault(Fault),
    /// It ended before its end.
    CutOff,
    /// It is neither JSON nor a stream of events.
    Unreadable,
}

/// Reads the body of a good answer, whatever its form: servers that were asked for a stream do not all send one.
pub(crate) struct Reading {
    form: Form,
    listener: Box<dyn Listen>,
    failed: Option<NoAnswer>,
}

#[derive(Debug, Default)]
enum Form {
    /// Nothing but white space so far.
    #[default]
    Unknown,
    Whole(Vec<u8>),
    Stream(Box<Events>),
}

impl Reading {
    /// Nothing has come yet.
    pub(crate) fn new(listener: Box<dyn Listen>) -> Reading {
        Reading { form: Form::Unknown, listener, failed: None }
    }

    /// Takes the next bytes; true if nothing that follows matters.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> bool {
        if let Form::Unknown = self.form {
            let blank = |byte: &u8| byte.is_ascii_whitespace() || [0xEF, 0xBB, 0xBF].contains(byte);
            match bytes.iter().find(|byte| !blank(byte)) {
                None => return false,
                // An event begins with a field or a comment.
                Some(b'd' | b'e' | b'i' | b'r' | b':') => self.form = Form::Stream(Box::default()),
                Some(_) => self.form = Form::Whole(Vec::new()),
            }
        }
        match &mut self.form {
            Form::Unknown => false,
            Form::Whole(body) => {
                body.extend_from_slice(bytes);
                false
            }
            Form::Stream(events) => {
                for data in events.feed(bytes) {
                    self.event(&data);
                }
                self.listener.ended() || self.failed.is_some()
            }
        }
    }

    fn event(&mut self, data: &str) {
        if self.listener.ended() || self.failed.is_some() || data.trim().is_empty() {
            return;
        }
        if data.trim() == "[DONE]" {
            self.listener.done();
            return;
        }
        match serde_json::from_str::<Json>(data) {
            Err(_) => self.failed = Some(NoAnswer::Unreadable),
            Ok(json) => self.failed = self.listener.event(&json).err().map(NoAnswer::Fault),
        }
    }

    /// Nothing more comes; `whole` if the connection says that this was the end.
    pub(crate) fn end(mut self, whole: bool) -> (Heard, Result<(), NoAnswer>) {
        let mut stream = false;
        match std::mem::take(&mut self.form) {
            Form::Stream(events) => {
                stream = true;
                // An event that no empty line closed counts only if all of it is there.
                if let Some(last) = events.end()
                    && (last.trim() == "[DONE]" || serde_json::from_str::<Json>(&last).is_ok())
                {
                    self.event(&last);
                }
            }
            Form::Whole(body) => match serde_json::from_slice::<Json>(&body) {
                Ok(json) => self.failed = self.listener.whole(&json).err().map(NoAnswer::Fault),
                Err(_) => self.failed = Some(if whole { NoAnswer::Unreadable } else { NoAnswer::CutOff }),
            },
            Form::Unknown => self.failed = Some(if whole { NoAnswer::Unreadable } else { NoAnswer::CutOff }),
        }
        let ended = self.listener.over();
        let heard = self.listener.heard();
        // Only the terminal event ends a stream, and only a reason says that the model had ended too.
        if self.failed.is_none() && stream && !(ended && heard.stop.is_some()) {
            self.failed = Some(NoAnswer::CutOff);
        }
        (heard, self.failed.map_or(Ok(()), Err))
    }
}
