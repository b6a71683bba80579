//! A project whose tools carry secrets, and servers that say them back in every form.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::Notify,
};

use super::forms::{base64, hex, percent};

/// The project's files.
pub(super) const FILES: [(&str, &str); 10] = [
    (
        "surefoot.yaml",
        "project: canaries
models:
  parrot: { provider: openai_chat, base_url: =env.ECHO_URL, key: secret://model-key, model: parrot, max_tokens: 800, price: free }
  guard: { provider: openai_chat, base_url: =env.DENY_URL, key: secret://model-key, model: guard, max_tokens: 800, price: free }
",
    ),
    (
        "tools/echo.yaml",
        "tool: echo
http:
  base_url: =env.ECHO_URL
  headers: { Authorization: Bearer secret://env-key, X-Second: secret://file-key }
operations:
  say: { effect: read, method: GET, path: \"/{{ with.how }}\" }
  stand: { effect: read, method: GET, path: /stand, timeout: 20s }
",
    ),
    (
        "tools/letters.yaml",
        "tool: letters
mail: { smtp: =env.SMTP_URL, from: clerk@shop.example, user: clerk, password: secret://mail-key }
operations:
  send: { effect: at_most_once, params: schemas/letter.yaml, to: =with.to, subject: Hello, text: \"{{ with.body }}\" }
",
    ),
    (
        "tools/hook.yaml",
        "tool: hook
webhook: { url: =env.HOOK_URL, secret: [ secret://hook-key ] }
operations:
  told: { effect: at_most_once, type: canary.told, data: { number: =with.number } }
",
    ),
    (
        "schemas/letter.yaml",
        "type: object\nrequired: [to, body]\nproperties: { to: { type: string }, body: { type: string } }\n",
    ),
    (
        "schemas/input.yaml",
        "type: object\nrequired: [ways, note]\nproperties: { ways: { type: array, items: { type: string } }, note: { type: string } }\n",
    ),
    ("schemas/said.yaml", "type: object\nrequired: [said]\nproperties: { said: { type: string } }\n"),
    ("prompts/ask.md", "Say what you know of {{ note }}.\n"),
    ("policies/allow/all.cedar", "@id(\"all\") permit (principal, action, resource);\n"),
    (
        "workflows/tell.yaml",
        "workflow: tell
input: schemas/input.yaml
result: { value: { heard: =heard, again: =again, asked: =asked, refused: =refused, told: =told, letter: =letter } }
stages:
  - stage: only
    steps:
      - step: heard
        each: input.ways
        as: way
        steps:
          - step: say
            act: echo.say
            with: { how: =way }
            on_failure: { tool_rejected: [{ continue_with: 0 }], tool_error: [{ continue_with: 0 }] }
        gives: =say
      - { step: stand, act: echo.stand }
      - step: again
        act: echo.say
        with: { how: json }
      - step: asked
        reason: prompts/ask.md
        model: parrot
        see: { note: input.note }
        output: schemas/said.yaml
        on_failure: { invalid_output: [{ continue_with: { said: nothing } }] }
      - step: refused
        reason: prompts/ask.md
        model: guard
        see: { note: input.note }
        output: schemas/said.yaml
        on_failure: { provider_auth: [{ continue_with: { said: nothing } }] }
      - step: told
        act: hook.told
        with: { number: 7 }
        on_failure: { tool_rejected: [{ continue_with: 0 }] }
      - step: letter
        act: letters.send
        with: { to: ann@shop.example, body: hello }
        on_failure: { tool_rejected: [{ continue_with: 0 }], tool_error: [{ continue_with: 0 }] }
",
    ),
];

/// The ways in which the echo answers.
pub(super) const WAYS: [&str; 4] = ["json", "text", "refuse", "break"];

/// What the servers share.
pub(super) struct Echo {
    /// The webhook's secret, which a receiver knows.
    hook: String,
    /// Somebody stands at `/stand`.
    pub(super) stands: Notify,
    stood: AtomicBool,
}

/// Every form of a secret in one JSON value.
fn every(secret: &str) -> serde_json::Value {
    json!({
        "plain": secret,
        "base64": base64(secret.as_bytes()),
        "bearer": base64(format!("Bearer {secret}").as_bytes()),
        "basic": base64(format!("clerk:{secret}").as_bytes()),
        "url": percent(secret),
        "json": json!(secret).to_string(),
        "hex": hex(secret.as_bytes()),
        "HEX": hex(secret.as_bytes()).to_uppercase(),
    })
}

fn header(headers: &HeaderMap, name: &str) -> String {
    let text = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    text.map(|text| text.trim_start_matches("Bearer ").to_owned()).unwrap_or_default()
}

async fn answer(State(echo): State<Arc<Echo>>, uri: Uri, headers: HeaderMap) -> Response {
    let (first, second) = (header(&headers, "authorization"), header(&headers, "x-second"));
    let body = json!({"first": every(&first), "second": every(&second)});
    let with = |status: StatusCode, kind: &'static str, text: String| {
        let mut response = (status, [("content-type", kind)], Body::from(text)).into_response();
        for (name, value) in [("x-echo", first.clone()), ("x-echo-64", base64(first.as_bytes()))] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    };
    match uri.path() {
        "/stand" if !echo.stood.swap(true, Ordering::SeqCst) => {
            echo.stands.notify_one();
            std::future::pending().await
        }
        "/stand" | "/json" => with(StatusCode::OK, "application/json", body.to_string()),
        "/text" => with(StatusCode::OK, "text/plain", format!("you sent {body}")),
        "/refuse" => with(StatusCode::UNPROCESSABLE_ENTITY, "application/json", json!({"error": body}).to_string()),
        "/break" => with(StatusCode::BAD_GATEWAY, "text/plain", format!("upstream refused {body}")),
        "/hook" => with(StatusCode::FORBIDDEN, "application/json", every(&echo.hook).to_string()),
        "/deny/chat/completions" => {
            let error =
                json!({"error": {"message": format!("wrong key {}", every(&first)), "code": "invalid_api_key"}});
            with(StatusCode::UNAUTHORIZED, "application/json", error.to_string())
        }
        "/chat/completions" => {
            let said = json!({"said": every(&first).to_string()}).to_string();
            let choice =
                json!({"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}});
            let whole = json!({"id": "1", "object": "chat.completion", "model": "parrot", "choices": [choice],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}});
            with(StatusCode::OK, "application/json", whole.to_string())
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Serves the echo.
pub(super) async fn echo(hook: String) -> std::io::Result<(SocketAddr, Arc<Echo>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let echo = Arc::new(Echo { hook, stands: Notify::new(), stood: AtomicBool::new(false) });
    let router = Router::new().fallback(answer).with_state(echo.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((address, echo))
}

/// A mail server that refuses every login, and prints what it was told.
pub(super) async fn mail(password: String) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let password = password.clone();
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read).lines();
                write.write_all(b"220 mail.test\r\n").await?;
                while let Some(line) = lines.next_line().await? {
                    let reply = match line.split(' ').next().unwrap_or_default() {
                        "EHLO" => "250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n".to_owned(),
                        "AUTH" => format!("535 5.7.8 {line} is wrong, as is {password}, {}\r\n", every(&password)),
                        "QUIT" => "221 bye\r\n".to_owned(),
                        _ => "503 no\r\n".to_owned(),
                    };
                    write.write_all(reply.as_bytes()).await?;
                }
                Ok::<_, std::io::Error>(())
            });
        }
    });
    Ok(address)
}
