//! Speaks to models and to tools, and decides nothing.
//!
//! A [`Provider`] answers a [`ModelRequest`]; a [`Tool`] acts on a [`Permit`]. What they say is judged elsewhere: the kernel
//! checks answers against schemas, says what a failure means, and alone makes a permit. Nothing here retries, follows a
//! redirect or keeps a memory of earlier calls: a call that is worth repeating is repeated by the engine, which writes down why.
//! The one exception is [`tool::page`], which follows a few redirects, each past the guard of [`egress`], and remembers robots.txt.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use channel::Channel;
use kernel::{
    context::{ModelRequest, Proposed, Said},
    governance::Permit,
    journal::Usage,
    recovery::{Failure, FailureKind, Phase},
    values::{Span, Value},
};

mod caught;
pub mod channel;
pub mod egress;
mod fault;
pub mod model;
pub mod secret;
pub mod tool;

pub use fault::MUTANTS;

/// Answers model requests.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Asks once. Every way to fail is in the [`Reply`].
    async fn ask(&self, request: &ModelRequest) -> Reply;
}

/// What came back from a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The parsed JSON if the request has an output schema, else a text. Not yet judged against that schema.
    pub answer: Result<Value, Failure>,
    /// What the provider billed; also when the answer is a failure.
    pub usage: Usage,
    /// The bytes as they came, for the record. `None` if there are none, or nothing that the answer does not say.
    pub raw: Option<Arc<[u8]>>,
    /// What the model proposed, if the request offers something; `answer` is then the text beside it.
    pub proposed: Vec<Proposed>,
    /// What the server said besides.
    pub said: Said,
}

impl Reply {
    /// A failure for which nothing was billed.
    pub fn failed(failure: Failure) -> Reply {
        Reply::of(Err(failure), Usage::default(), None)
    }

    /// An answer about which there is nothing else to say.
    pub fn of(answer: Result<Value, Failure>, usage: Usage, raw: Option<Arc<[u8]>>) -> Reply {
        Reply { answer, usage, raw, proposed: Vec::new(), said: Said::default() }
    }
}

/// Acts outside this process.
#[async_trait]
pub trait Tool: Send + Sync {
    /// Acts once: the permit's operation on the permit's input, under the permit's key.
    async fn call(&self, permit: &Permit) -> Outcome;
}

/// What came back from a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What the tool gave, or why not. The failure's phase says how far the call had come.
    pub answer: Result<Value, Failure>,
    /// The bytes as they came, for the record. `None` if there are none, or nothing that the answer does not say.
    pub raw: Option<Arc<[u8]>>,
}

impl Outcome {
    /// A failure without an answer.
    pub fn failed(failure: Failure) -> Outcome {
        Outcome { answer: Err(failure), raw: None }
    }
}

/// All models and tools that a process can reach, by the names that a project gives them. Cheap to clone.
#[derive(Clone, Default)]
pub struct Gateway {
    providers: BTreeMap<Arc<str>, Arc<dyn Provider>>,
    tools: BTreeMap<Arc<str>, Arc<dyn Tool>>,
    channels: BTreeMap<Arc<str>, Arc<dyn Channel>>,
}

impl Gateway {
    /// One that reaches nothing yet.
    pub fn new() -> Gateway {
        Gateway::default()
    }

    /// Lets `provider` answer for the model `model`; the last one given for a name counts.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<Arc<str>>, provider: impl Provider + 'static) -> Gateway {
        self.providers.insert(model.into(), Arc::new(provider));
        self
    }

    /// Like [`Gateway::with_model`] for a provider that several models share.
    #[must_use]
    pub fn with_shared_model(mut self, model: impl Into<Arc<str>>, provider: Arc<dyn Provider>) -> Gateway {
        self.providers.insert(model.into(), provider);
        self
    }

    /// Lets `tool` act for the tool name `name`; the last one given for a name counts.
    #[must_use]
    pub fn with_tool(mut self, name: impl Into<Arc<str>>, tool: impl Tool + 'static) -> Gateway {
        self.tools.insert(name.into(), Arc::new(tool));
        self
    }

    /// Like [`Gateway::with_tool`] for a tool that is shared.
    #[must_use]
    pub fn with_shared_tool(mut self, name: impl Into<Arc<str>>, tool: Arc<dyn Tool>) -> Gateway {
        self.tools.insert(name.into(), tool);
        self
    }

    /// Lets `channel` tell people for the channel `name`, with its project: `shop/desk`. The last one given for a name counts.
    #[must_use]
    pub fn with_channel(mut self, name: impl Into<Arc<str>>, channel: Arc<dyn Channel>) -> Gateway {
        self.channels.insert(name.into(), channel);
        self
    }

    /// The names of channels that are set up, sorted.
    pub fn channels(&self) -> impl Iterator<Item = &Arc<str>> {
        self.channels.keys()
    }

    /// Sends one message to people by the channel `name`. A name that nothing stands behind, and a channel that panics, are failures
    /// of kind `internal`.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn tell(&self, name: &str, message: &channel::Message) -> Result<(), Failure> {
        let channel = self.channels.get(name);
        let channel = channel.ok_or_else(|| not_set_up(format!("no channel `{name}` is set up in this process")))?;
        caught::caught(channel.send(message)).await.unwrap_or_else(|| {
            let detail = format!("the channel `{name}` panicked: the process log says where");
            Err(Failure { kind: FailureKind::Internal, phase: Phase::MaybeSent, detail, retry_after: None })
        })
    }

    /// The model names that have a provider, sorted.
    pub fn models(&self) -> impl Iterator<Item = &Arc<str>> {
        self.providers.keys()
    }

    /// The tool names that have a tool, sorted.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<str>> {
        self.tools.keys()
    }

    /// Whether a provider answers for `model`.
    pub fn has_model(&self, model: &str) -> bool {
        self.providers.contains_key(model)
    }

    /// Whether there is a tool of this name.
    pub fn has_tool(&self, tool: &str) -> bool {
        self.tools.contains_key(tool)
    }

    /// Asks the request's model once.
    ///
    /// A model without a provider, and a provider that panics, are failures of kind `internal`.
    pub async fn ask(&self, request: &ModelRequest) -> Reply {
        let Some(provider) = self.providers.get(&request.model) else {
            return Reply::failed(not_set_up(format!("no provider is set up for the model `{}`", request.model)));
        };
        match caught::caught(provider.ask(request)).await {
            Some(reply) => reply,
            None => Reply::failed(Failure {
                kind: FailureKind::Internal,
                phase: Phase::MaybeSent,
                detail: format!("the provider of the model `{}` panicked: the process log says where", request.model),
                retry_after: None,
            }),
        }
    }

    /// Lets the permit's tool act once. The permit is spent.
    ///
    /// A name without a tool is a failure of kind `internal`: nothing was sent. A tool that panics may have acted:
    /// `tool_error`, maybe sent.
    pub async fn call(&self, permit: Permit) -> Outcome {
        let tool = match self.tool(permit.tool()) {
            Ok(tool) => tool,
            Err(failure) => return Outcome::failed(failure),
        };
        caught::acting(permit.tool(), permit.operation(), tool.call(&permit)).await
    }

    fn tool(&self, name: &str) -> Result<&Arc<dyn Tool>, Failure> {
        self.tools.get(name).ok_or_else(|| not_set_up(format!("no tool `{name}` is set up in this process")))
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (models, tools): (Vec<_>, Vec<_>) = (self.models().collect(), self.tools().collect());
        f.debug_struct("Gateway").field("models", &models).field("tools", &tools).finish()
    }
}

/// For a timer of the runtime.
fn duration(span: Span) -> Duration {
    Duration::from_micros(u64::try_from(span.micros()).unwrap_or(0))
}

/// Another process may have it; in this one waiting changes nothing.
fn not_set_up(detail: String) -> Failure {
    Failure::inside(FailureKind::Internal, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    #[async_trait]
    impl Provider for Echo {
        async fn ask(&self, request: &ModelRequest) -> Reply {
            assert!(!request.user.is_empty(), "asked for nothing");
            Reply::of(Ok(request.user.as_str().into()), Usage::default(), None)
        }
    }

    fn request(model: &str, user: &str) -> ModelRequest {
        ModelRequest {
            step: "ask".into(),
            workflow: "w".into(),
            attempt: 1,
            model: model.into(),
            system: String::new(),
            user: user.to_owned(),
            data: Value::Null,
            output_schema: None,
            ..ModelRequest::default()
        }
    }

    #[tokio::test]
    async fn a_request_goes_to_the_provider_of_its_model() {
        let gateway = Gateway::new().with_model("small", Echo);
        assert_eq!(gateway.ask(&request("small", "hello")).await.answer, Ok("hello".into()));
        assert!(gateway.has_model("small") && !gateway.has_tool("small"));
    }

    #[tokio::test]
    async fn a_name_that_nothing_stands_behind_is_a_failure_that_names_it() {
        let failure = Gateway::new().ask(&request("strong", "hello")).await.answer.unwrap_err();
        assert_eq!((failure.kind, failure.phase), (FailureKind::Internal, Phase::Inside));
        assert_eq!(failure.detail, "no provider is set up for the model `strong`");
        let failure = Gateway::new().tool("mail").err().unwrap();
        assert_eq!((failure.kind, failure.phase), (FailureKind::Internal, Phase::Inside));
        assert_eq!(failure.detail, "no tool `mail` is set up in this process");
    }

    #[tokio::test]
    async fn a_provider_that_panics_is_a_failure() {
        let gateway = Gateway::new().with_model("small", Echo);
        let failure = gateway.ask(&request("small", "")).await.answer.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Internal);
    }
}
