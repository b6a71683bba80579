//! What a model said, whatever the dialect: collected from one body or from the events of a stream, then judged.

use kernel::journal::Usage;
use serde_json::Value as Json;

use super::fault::Fault;

/// Takes what a server says, piece by piece, in one dialect.
pub(crate) trait Listen: Send {
    /// Takes the data of one event of a stream.
    ///
    /// # Errors
    /// The error that stands in it.
    fn event(&mut self, event: &Json) -> Result<(), Fault>;

    /// Takes an answer that came as a whole.
    ///
    /// # Errors
    /// The error that stands in it.
    fn whole(&mut self, body: &Json) -> Result<(), Fault>;

    /// Takes `[DONE]`, which is the terminal event of one dialect and nothing in the others.
    fn done(&mut self) {}

    /// Whether the terminal event came: nothing that follows matters.
    fn ended(&self) -> bool;

    /// Whether what came is whole, now that nothing more comes.
    fn over(&self) -> bool {
        self.ended()
    }

    /// What has been said.
    fn heard(self: Box<Self>) -> Heard;
}

/// What has been said.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// The visible text.
    pub(crate) text: String,
    /// The words with which it refused.
    pub(crate) refusal: String,
    /// Why it ended: the server's word, and what that means if we know it.
    pub(crate) stop: Option<(String, Option<Ended>)>,
    /// The uses of tools that it asks for, in order.
    pub(crate) calls: Vec<Call>,
    /// There was something that can be an answer.
    pub(crate) chosen: bool,
    /// What was billed.
    pub(crate) usage: Usage,
    /// The server's name of the model that answered.
    pub(crate) model: Option<String>,
    /// The server's name of the answer.
    pub(crate) id: Option<String>,
    /// What the provider wants to see again.
    pub(crate) echo: Option<Json>,
}

/// A use of a tool, as the model wrote it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// The provider's name of it, where it gives one.
    pub(crate) id: Option<String>,
    /// The tool's name.
    pub(crate) name: String,
    /// The arguments.
    pub(crate) arguments: Arguments,
}

/// Arguments of a call: some dialects send JSON, and some a text that holds JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arguments {
    /// JSON.
    Json(Json),
    /// A text.
    Text(String),
}

/// Why a model ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It has said all.
    Complete,
    /// It waits for tools.
    Tools,
    /// The longest answer was reached.
    Truncated,
    /// It refused, or a filter stopped it.
    Refused,
    /// What it was shown and what it said fill its window.
    Overflow,
    /// The server is overloaded and broke off.
    Overloaded,
    /// The server broke off.
    Broken,
    /// It wrote something that the server could not read.
    Malformed,
    /// It waits for something that was not offered.
    Paused,
}

impl Heard {
    /// Keeps the reason why the model ended; the last one counts.
    pub(crate) fn stopped(&mut self, word: Option<&str>, meaning: impl Fn(&str) -> Option<Ended>) {
        if let Some(word) = word.filter(|word| !word.is_empty()) {
            self.stop = Some((word.to_owned(), meaning(word)));
        }
    }

    /// Keeps a text under a key of `from`, if it stands there.
    pub(crate) fn names(&mut self, from: &Json, (id, model): (&str, &str)) {
        let text = |key: &str| from.get(key).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        self.id = text(id).or(self.id.take());
        self.model = text(model).or(self.model.take());
    }
}

/// A text of a piece of JSON; empty if there is none.
pub(crate) fn text<'a>(json: &'a Json, key: &str) -> &'a str {
    json.get(key).and_then(Json::as_str).unwrap_or_default()
}

/// A list of a piece of JSON; empty if there is none.
pub(crate) fn list<'a>(json: &'a Json, key: &str) -> &'a [Json] {
    json.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A count of a piece of JSON, as far as we can count.
pub(crate) fn count(json: &Json, pointer: &str) -> Option<u64> {
    json.pointer(pointer).and_then(Json::as_u64).map(|count| count.min(kernel::values::MAX_INT.unsigned_abs()))
}
