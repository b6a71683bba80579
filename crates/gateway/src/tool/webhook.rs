//! Tools that post signed events (Standard Webhooks 1.0).
//!
//! The address is the operator's word, as the base URL of an `http` tool is. `webhook-id` is our key, so that a receiver knows a
//! sending that it has had. The body is `{type, data}` in canonical form: every sending of one intent has the same bytes. The time
//! of a sending stands in `webhook-timestamp` alone, and is signed with the body.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use kernel::{
    expr::Template,
    governance::Permit,
    ids::IdempotencyKey,
    recovery::{Failure, FailureKind},
    values::{Span, Value},
};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use sha2::Sha256;
use url::Url;

use super::{
    Now,
    http::{BadHttpTool, HttpClient, answer, base_url},
    stranger, values,
};
use crate::{
    Outcome, Tool,
    secret::{Scrubber, SecretText, Secrets},
};

#[cfg(test)]
mod tests;

/// What one operation posts.
#[derive(Clone, Debug)]
pub struct WebhookOperation {
    /// `type` of the body.
    pub event: Arc<str>,
    /// `data` of the body, made from `with`; `None`: all of `with`.
    pub data: Option<Template>,
    /// From the first byte to the last, connecting included.
    pub timeout: Span,
}

/// A tool file's webhook part, as data.
pub struct WebhookSpec {
    /// Where events go.
    pub url: String,
    /// Each gives a signature; `secret://name` in them stands for that secret: `whsec_` and the key in base64.
    pub secrets: Vec<String>,
    /// By name.
    pub operations: BTreeMap<Arc<str>, WebhookOperation>,
    /// For `webhook-timestamp`.
    pub now: Now,
}

/// A tool file's webhook part, ready to act.
pub struct WebhookTool {
    url: Url,
    signed: Vec<SecretText>,
    operations: BTreeMap<Arc<str>, WebhookOperation>,
    secrets: Arc<dyn Secrets>,
    client: HttpClient,
    now: Now,
}

impl WebhookTool {
    /// Checks the file's webhook part: the address, each name.
    ///
    /// # Errors
    /// [`BadHttpTool`]: the tool file must be corrected.
    pub fn new(spec: WebhookSpec, secrets: Arc<dyn Secrets>, client: HttpClient) -> Result<WebhookTool, BadHttpTool> {
        let url = base_url(&spec.url)?;
        for (name, operation) in &spec.operations {
            if let Some(root) = stranger(operation.data.iter().flat_map(|data| data.roots())) {
                return Err(BadHttpTool::Name { operation: name.clone(), name: root });
            }
        }
        let signed = spec.secrets.iter().map(|text| SecretText::parse(text)).collect();
        Ok(WebhookTool { url, signed, operations: spec.operations, secrets, client, now: spec.now })
    }

    pub(crate) async fn perform(&self, tool: &str, operation: &str, input: &[u8], key: &IdempotencyKey) -> Outcome {
        let called = format!("{tool}.{operation}");
        let Some(hook) = self.operations.get(operation) else {
            let detail = format!("the tool `{tool}` has no operation `{operation}` in this process");
            return Outcome::failed(Failure::inside(FailureKind::Internal, detail));
        };
        let mut scrubber = Scrubber::default();
        let (headers, body) = match self.request(&called, hook, input, key, &mut scrubber) {
            Ok(request) => request,
            Err(failure) => return Outcome::failed(failure),
        };
        let request = self.client.0.post(self.url.clone()).headers(headers).body(body);
        match request.timeout(crate::duration(hook.timeout)).send().await {
            Ok(response) => answer::read(&called, (hook.timeout, &[]), response, &scrubber).await,
            Err(error) => {
                let host = &self.url[url::Position::BeforeHost..url::Position::AfterPort];
                Outcome::failed(answer::unanswered(&called, host, hook.timeout, &error, &scrubber))
            }
        }
    }

    fn request(
        &self,
        called: &str,
        hook: &WebhookOperation,
        input: &[u8],
        key: &IdempotencyKey,
        scrubber: &mut Scrubber,
    ) -> Result<(HeaderMap, Vec<u8>), Failure> {
        let unusable = |kind, why: String| Failure::inside(kind, format!("`{called}` cannot be sent: {why}"));
        let with = Value::from_json(input)
            .map_err(|error| unusable(FailureKind::Internal, format!("its input is no canonical JSON: {error}")))?;
        let data = match &hook.data {
            None => with,
            Some(data) => {
                data.eval(&values(data.roots(), &with)).map_err(|why| unusable(FailureKind::InvalidArguments, why))?
            }
        };
        let body = Value::map([("type", Value::text(hook.event.clone())), ("data", data)]).to_jcs();
        let seconds = ((self.now)().micros().div_euclid(1_000_000)).to_string();
        let mut signatures = Vec::new();
        for text in &self.signed {
            let secret = text
                .resolve(&*self.secrets, scrubber)
                .map_err(|error| unusable(FailureKind::Internal, error.to_string()))?;
            // A server that echoes the key may do so without its prefix.
            scrubber.add(secret.strip_prefix(PREFIX).unwrap_or(&secret));
            let signature = sign(&secret, key.as_str(), &seconds, &body);
            signatures.push(signature.map_err(|why| unusable(FailureKind::Internal, why.to_owned()))?);
        }
        let header = |text: &str| {
            HeaderValue::from_str(text).expect("hexadecimal, digits and base64: held by the key, the clock and `sign`")
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("webhook-id", header(key.as_str()));
        headers.insert("webhook-timestamp", header(&seconds));
        headers.insert("webhook-signature", header(&signatures.join(" ")));
        Ok((headers, body))
    }
}

#[async_trait]
impl Tool for WebhookTool {
    async fn call(&self, permit: &Permit) -> Outcome {
        self.perform(permit.tool(), permit.operation(), permit.input(), permit.key()).await
    }
}

const PREFIX: &str = "whsec_";

/// One signature of `id.timestamp.body`: `v1,` and base64.
fn sign(secret: &str, id: &str, seconds: &str, body: &[u8]) -> Result<String, &'static str> {
    let key = secret.strip_prefix(PREFIX).and_then(|key| BASE64_STANDARD.decode(key).ok());
    // The specification wants 24 to 64 bytes.
    let key = key.filter(|key| (24..=64).contains(&key.len()));
    let key = key.ok_or("a secret of it is not `whsec_` and 24 to 64 bytes in base64")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length: held by its definition");
    for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
        mac.update(part);
    }
    Ok(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}
