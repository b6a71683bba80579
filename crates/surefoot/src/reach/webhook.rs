//! From a tool file with `webhook:` to the tool.

use std::sync::Arc;

use gateway::{
    secret::Secrets,
    tool::{
        Now,
        http::HttpClient,
        webhook::{WebhookOperation, WebhookSpec, WebhookTool},
    },
};
use kernel::{
    tool::{Operation, Tool, webhook::Webhook},
    workflow::project::Sources,
};

use super::{ReachError, Surroundings, evaluated};

/// Sets up `tool`, which posts signed events. Nothing is connected yet.
pub(super) fn tool(
    sources: &Sources,
    tool: &Tool,
    webhook: &Webhook,
    around: &Surroundings,
    (secrets, now, client): (Arc<dyn Secrets>, Now, HttpClient),
) -> Result<WebhookTool, ReachError> {
    let bad = |detail: String| ReachError::Address { tool: tool.name.clone(), file: tool.file.clone(), detail };
    let operations = tool.operations.iter().filter_map(|(name, operation)| Some((name.clone(), one(operation)?)));
    let spec = WebhookSpec {
        url: evaluated(&webhook.url, sources, tool, around, &bad)?,
        secrets: webhook.secrets.iter().map(ToString::to_string).collect(),
        operations: operations.collect(),
        now,
    };
    WebhookTool::new(spec, secrets, client).map_err(|source| ReachError::Http {
        tool: tool.name.clone(),
        file: tool.file.clone(),
        source,
    })
}

fn one(operation: &Operation) -> Option<WebhookOperation> {
    let call = operation.webhook.as_ref()?;
    Some(WebhookOperation { event: call.event.clone(), data: call.data.clone(), timeout: operation.timeout })
}
