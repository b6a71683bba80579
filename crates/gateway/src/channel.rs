//! Channels: how people are told that a run needs them.
//!
//! What is said was decided and is durable; a channel hands it over once. Whoever sends it again after a failure or a crash does so
//! under the same id: `webhook-id` of a webhook, the message id of a letter.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use kernel::{
    expr::{Template, Text},
    ids::IdempotencyKey,
    recovery::Failure,
    values::{Span, Value},
    yaml::Node,
};

use crate::{
    secret::Secrets,
    tool::{
        Now,
        http::{BadHttpTool, HttpClient},
        mail::{BadMailTool, MailOperation, MailSpec, MailTool},
        webhook::{WebhookOperation, WebhookSpec, WebhookTool},
    },
};

#[cfg(test)]
mod tests;

/// A message, as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// On what the receiver de-duplicates: letters, digits and `_`.
    pub id: Arc<str>,
    /// What there is to tell, in one word.
    pub news: Arc<str>,
    /// The whole of it; `subject` and `text` are for people.
    pub body: Value,
}

/// Tells people.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Sends once. A failure that came after the first byte may have reached somebody: it is sent again all the same.
    async fn send(&self, message: &Message) -> Result<(), Failure>;
}

/// One sending takes at most so long.
const TIMEOUT: Span = Span::from_millis(15_000);

/// The one operation of the tool behind a channel.
const SEND: &str = "send";

/// A channel that posts signed messages: `{type, data}`, as a `webhook` tool does.
pub struct WebhookChannel {
    url: String,
    signed: Vec<String>,
    secrets: Arc<dyn Secrets>,
    client: HttpClient,
    now: Now,
}

impl WebhookChannel {
    /// Checks the address, the operator's word; `secret://name` in `signed` stands for that secret.
    ///
    /// # Errors
    /// [`BadHttpTool`]: the address must be corrected.
    pub fn new(
        url: String,
        signed: Vec<String>,
        (secrets, now, client): (Arc<dyn Secrets>, Now, HttpClient),
    ) -> Result<WebhookChannel, BadHttpTool> {
        let channel = WebhookChannel { url, signed, secrets, client, now };
        channel.tool(&"check".into()).map(|_| channel)
    }

    fn tool(&self, news: &Arc<str>) -> Result<WebhookTool, BadHttpTool> {
        let operation = WebhookOperation { event: news.clone(), data: None, timeout: TIMEOUT };
        let spec = WebhookSpec {
            url: self.url.clone(),
            secrets: self.signed.clone(),
            operations: BTreeMap::from([(SEND.into(), operation)]),
            now: self.now.clone(),
        };
        WebhookTool::new(spec, self.secrets.clone(), self.client.clone())
    }
}

#[async_trait]
impl Channel for WebhookChannel {
    async fn send(&self, message: &Message) -> Result<(), Failure> {
        let tool = self.tool(&message.news).expect("the address was checked: held by `new`");
        let key = IdempotencyKey::of_message(&message.id);
        tool.perform("channel", SEND, &message.body.to_jcs(), &key).await.answer.map(drop)
    }
}

/// A channel that sends letters.
pub struct MailChannel {
    tool: MailTool,
}

impl MailChannel {
    /// A letter for each message, to all of `to`.
    ///
    /// # Errors
    /// [`BadMailTool`]: the server or the sender must be corrected.
    pub fn new(
        smtp: String,
        (from, to): (String, &[Arc<str>]),
        login: Option<(String, String)>,
        (secrets, now): (Arc<dyn Secrets>, Now),
    ) -> Result<MailChannel, BadMailTool> {
        const OURS: &str = "our own text is one: held by a test";
        let to = kernel::jcs::to_vec(&to).expect("texts are JSON: held by their type");
        let to = format!("={}", String::from_utf8_lossy(&to));
        let file: Arc<str> = "channel".into();
        let operation = MailOperation {
            to: Template::compile(&Node::plain(&file, &to)).expect(OURS),
            subject: Text::compile("{{ with.subject }}").expect(OURS),
            text: Text::compile("{{ with.text }}").expect(OURS),
            reply_to: None,
            timeout: TIMEOUT,
        };
        let operations = BTreeMap::from([(SEND.into(), operation)]);
        let tool = MailTool::new(MailSpec { smtp, from, login, plain: false, operations, now }, secrets)?;
        Ok(MailChannel { tool })
    }
}

#[async_trait]
impl Channel for MailChannel {
    async fn send(&self, message: &Message) -> Result<(), Failure> {
        let key = IdempotencyKey::of_message(&message.id);
        self.tool.perform("channel", SEND, &message.body.to_jcs(), &key).await.answer.map(drop)
    }
}
