//! Streamable HTTP with our client: no redirects, no proxies, nothing sent twice, answers of bounded length, the secret read anew for
//! each request.

use std::{collections::HashMap, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, future::ready, stream::BoxStream};
use kernel::values::Span;
use reqwest::{
    RequestBuilder, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, ErrorData, JsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_client::{
        SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
    },
};
use sse_stream::{Sse, SseStream};

use super::{LONGEST, fault::short, wire::Gauge};
use crate::{
    secret::{Scrubber, SecretText, Secrets},
    tool::http::{HttpClient, answer::retry_after, root},
};

const SESSION: &str = "Mcp-Session-Id";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// Why a request got no answer of the protocol.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum WireError {
    /// A secret cannot be had.
    #[error("{0}")]
    Secret(String),
    /// No connection: nothing was sent.
    #[error("{0}")]
    Unreached(String),
    /// The connection was lost.
    #[error("{0}")]
    Lost(String),
    /// The answer is longer than is read.
    #[error("the answer is longer than is read")]
    TooLong,
    /// The status of the answer, and how long it asks us to wait.
    #[error("the status {0}")]
    Status(u16, Option<Span>),
}

type HttpError = StreamableHttpError<WireError>;

/// Speaks HTTP for the protocol.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) client: HttpClient,
    pub(super) auth: Option<SecretText>,
    pub(super) secrets: Arc<dyn Secrets>,
    pub(super) gauge: Gauge,
}

impl Wire {
    async fn send(
        &self,
        request: RequestBuilder,
        session: Option<Arc<str>>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Response, WireError> {
        let mut request = request.header(ACCEPT, format!("{JSON}, {EVENTS}"));
        if let Some(text) = &self.auth {
            let secret = text.resolve(&*self.secrets, &mut Scrubber::default());
            let secret = secret.map_err(|error| WireError::Secret(error.to_string()))?;
            let value = HeaderValue::from_str(&format!("Bearer {secret}"));
            let mut value = value.map_err(|_| WireError::Secret("its secret cannot stand in a header".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request = request.headers(headers.into_iter().collect::<HeaderMap>());
        if let Some(session) = session {
            request = request.header(SESSION, &*session);
        }
        // Counted before: what is not known to have stayed may have left.
        self.gauge.sent();
        request.send().await.map_err(|error| match error.is_connect() || error.is_builder() {
            true => WireError::Unreached(short(&root(&error))),
            false => WireError::Lost(short(&root(&error))),
        })
    }

    /// The events of an answer; one that is longer than is read ends in an error.
    fn events(&self, response: Response) -> BoxStream<'static, Result<Sse, SseError>> {
        let gauge = self.gauge.clone();
        let bytes = response.bytes_stream().map_err(|error| WireError::Lost(short(&root(&error))));
        let bounded = bytes.scan(0, move |read, part| {
            let part = part.and_then(|part| {
                *read += part.len();
                if *read > LONGEST {
                    gauge.mark_too_long();
                    return Err(WireError::TooLong);
                }
                Ok(part)
            });
            ready(Some(part))
        });
        SseStream::from_bytes_stream(bounded).boxed()
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, WireError> {
        let mut all = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| WireError::Lost(short(&root(&error))))? {
            all.extend_from_slice(&part);
            if all.len() > LONGEST {
                self.gauge.mark_too_long();
                return Err(WireError::TooLong);
            }
        }
        Ok(all)
    }
}

impl StreamableHttpClient for Wire {
    type Error = WireError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, HttpError> {
        let attached = session.is_some();
        let request = self.client.0.post(&*uri).json(&message);
        let response = self.send(request, session, headers).await.map_err(HttpError::Client)?;
        let status = response.status();
        if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        if status == StatusCode::NOT_FOUND && attached {
            return Err(HttpError::SessionExpired);
        }
        let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (kind, given) = (text(CONTENT_TYPE.as_str()).unwrap_or_default(), text(SESSION));
        let wait = retry_after(response.headers());
        let asks = matches!(message, ClientJsonRpcMessage::Request(_));
        if status.is_success() && kind.starts_with(EVENTS) {
            return Ok(StreamableHttpPostResponse::Sse(self.events(response), given));
        }
        let body = self.body(response).await.map_err(HttpError::Client)?;
        let answer = serde_json::from_slice::<ServerJsonRpcMessage>(&body).ok().filter(|_| kind.starts_with(JSON));
        if status.is_success() {
            return match answer {
                Some(answer) => Ok(StreamableHttpPostResponse::Json(answer, given)),
                None if !asks => Ok(StreamableHttpPostResponse::Accepted),
                None => Err(HttpError::UnexpectedServerResponse("the body is no message of the protocol".into())),
            };
        }
        let known = !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS);
        // A server of an older version does not know the first question, and says so in its own way.
        if let (ClientJsonRpcMessage::Request(request), false, true) =
            (&message, attached, known && status.is_client_error())
            && matches!(request.request, ClientRequest::DiscoverRequest(_))
        {
            let error = match answer {
                Some(JsonRpcMessage::Error(error)) => error.error,
                _ => ErrorData::invalid_request(format!("the status {status}"), None),
            };
            let answer = ServerJsonRpcMessage::error(error, Some(request.id.clone()));
            return Ok(StreamableHttpPostResponse::Json(answer, None));
        }
        match answer {
            Some(answer @ JsonRpcMessage::Error(_)) if known && !status.is_server_error() => {
                Ok(StreamableHttpPostResponse::Json(answer, given))
            }
            _ => Err(HttpError::Client(WireError::Status(status.as_u16(), wait))),
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), HttpError> {
        let request = self.client.0.delete(&*uri);
        self.send(request, Some(session), headers).await.map(|_| ()).map_err(HttpError::Client)
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last: Option<String>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, HttpError> {
        let mut request = self.client.0.get(&*uri);
        if let Some(last) = last {
            request = request.header("Last-Event-Id", last);
        }
        let response = self.send(request, session, headers).await.map_err(HttpError::Client)?;
        let status = response.status();
        if status == StatusCode::METHOD_NOT_ALLOWED {
            return Err(HttpError::ServerDoesNotSupportSse);
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !status.is_success() {
            return Err(HttpError::Client(WireError::Status(status.as_u16(), None)));
        }
        if !kind.starts_with(EVENTS) {
            return Err(HttpError::UnexpectedContentType(Some(short(kind))));
        }
        Ok(self.events(response))
    }
}
