//! A model whose calls are counted outside: each is told to a ledger before it is answered.

use async_trait::async_trait;
use gateway::{Provider, Reply};
use kernel::{
    context::ModelRequest,
    recovery::{Failure, FailureKind, Phase},
};
use serde_json::json;

/// Tells `POST /ask` of a ledger what is asked, then lets another provider answer.
///
/// What the ledger answers with an error, hangs on or drops is a failure of the model call, so the ledger's modes for `ask` are
/// faults of a provider.
pub struct Counted<P> {
    inner: P,
    client: reqwest::Client,
    url: String,
}

impl<P> Counted<P> {
    /// `ledger` is the ledger's URL as it prints it.
    ///
    /// # Errors
    /// No client can be made on this machine.
    pub fn new(inner: P, ledger: &str) -> Result<Counted<P>, reqwest::Error> {
        Ok(Counted { inner, client: crate::http::client()?, url: format!("{ledger}/ask") })
    }
}

#[async_trait]
impl<P: Provider> Provider for Counted<P> {
    async fn ask(&self, request: &ModelRequest) -> Reply {
        let body = json!({
            "workflow": request.workflow,
            "step": request.step.as_str(),
            "attempt": request.attempt,
            "model": request.model,
            "data": request.data.to_serde(),
        });
        let failed =
            |kind, phase, detail: String, retry_after| Reply::failed(Failure { kind, phase, detail, retry_after });
        match self.client.post(&self.url).json(&body).send().await {
            Ok(response) if response.status().is_success() => {}
            Ok(response) => {
                let status = response.status();
                let seconds = response.headers().get("retry-after").and_then(|text| text.to_str().ok()?.parse().ok());
                let wait = seconds.map(|seconds: u32| kernel::values::Span::from_millis(i64::from(seconds) * 1000));
                let said: serde_json::Value = response.json().await.unwrap_or_default();
                let (kind, phase) = match status.as_u16() {
                    429 if said["error"]["code"] == "insufficient_quota" => {
                        (FailureKind::ProviderSpendLimit, Phase::Answered)
                    }
                    429 => (FailureKind::ProviderRateLimited, Phase::Answered),
                    500.. => (FailureKind::ProviderError, Phase::MaybeSent),
                    _ => (FailureKind::ProviderAuth, Phase::Answered),
                };
                return failed(kind, phase, format!("the model server answered {status}"), wait);
            }
            Err(error) => {
                let phase = if error.is_connect() { Phase::NotSent } else { Phase::MaybeSent };
                return failed(FailureKind::ProviderError, phase, "the model server did not answer".to_owned(), None);
            }
        }
        self.inner.ask(request).await
    }
}

#[cfg(test)]
mod tests {
    use gateway::model::scripted::{Script, Scripted};
    use kernel::values::Value;

    use super::*;
    use crate::{ledger::Ledger, ledgerd::Ledgerd};

    #[tokio::test]
    async fn a_call_is_counted_before_it_is_answered() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ledger");
        let ledgerd = Ledgerd::open(&file, 0).await.unwrap();
        let url = ledgerd.url();
        tokio::spawn(ledgerd.serve());
        let script = Script::parse(&"a.yaml".into(), "answers: [ { step: triage, value: 7 } ]").unwrap();
        let counted = Counted::new(Scripted::new(script), &url).unwrap();
        let request = ModelRequest {
            step: "triage".into(),
            workflow: "w".into(),
            attempt: 2,
            model: "small".into(),
            system: String::new(),
            user: String::new(),
            data: Value::Null,
            output_schema: None,
            ..ModelRequest::default()
        };
        assert_eq!(counted.ask(&request).await.answer, Ok("7".into()));
        let asked = Ledger::read(&file).unwrap();
        assert_eq!(asked.asks().next().unwrap().body["attempt"], 2);
        let limited = json!({"kind": "ask", "mode": "retry_after", "seconds": 3});
        crate::http::client().unwrap().put(format!("{url}/mode")).json(&limited).send().await.unwrap();
        let failure = counted.ask(&request).await.answer.unwrap_err();
        assert_eq!((failure.kind, failure.phase), (FailureKind::ProviderRateLimited, Phase::Answered));
        assert_eq!(failure.retry_after.unwrap().to_string(), "3s");
        let spent = json!({"kind": "ask", "mode": "spend_limit"});
        crate::http::client().unwrap().put(format!("{url}/mode")).json(&spent).send().await.unwrap();
        let failure = counted.ask(&request).await.answer.unwrap_err();
        assert_eq!((failure.kind, failure.retry_after), (FailureKind::ProviderSpendLimit, None));
    }
}
