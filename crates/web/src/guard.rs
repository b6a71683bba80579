//! What every request passes first, and what every answer carries: the host it was sent to, the page that sent it, how large it is.
//!
//! A name that another site lets resolve to this machine is not one of our hosts (DNS rebinding); a page of another site cannot make this
//! one change anything, because the browser says where a POST comes from, and a session's cookie is not sent along.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use tokio::time::Instant;

use crate::problem::Problem;

/// Most bytes of a body, but for where a route says otherwise.
pub(crate) const BODY_BYTES: usize = 1 << 20;

/// Nothing is loaded from elsewhere, nothing here is shown in a frame elsewhere, no script or style stands in a page.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; \
                   form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CSP),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The names under which a server may be asked.
#[derive(Clone, Debug)]
pub(crate) struct Hosts(Arc<[String]>);

impl Hosts {
    /// Those of this machine.
    pub(crate) fn of(address: SocketAddr) -> Hosts {
        let port = address.port();
        Hosts(["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}")).into())
    }

    fn has(&self, host: &str) -> bool {
        self.0.iter().any(|known| known.eq_ignore_ascii_case(host))
    }

    fn sent(&self, headers: &HeaderMap) -> bool {
        let mut all = headers.get_all(header::HOST).iter();
        let one = all.next().and_then(|host| host.to_str().ok());
        all.next().is_none() && one.is_some_and(|host| self.has(host))
    }

    /// Whether a request that changes something comes from one of our own pages, or from no page at all.
    fn own(&self, headers: &HeaderMap) -> bool {
        if let Some(origin) = headers.get(header::ORIGIN) {
            let host = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
            return host.is_some_and(|host| self.has(host));
        }
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        matches!(site, None | Some(b"same-origin" | b"none"))
    }
}

/// Refuses what was sent to another host or by another site.
pub(crate) async fn guard(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let refused = if !hosts.sent(request.headers()) {
        let problem = Problem::new(StatusCode::MISDIRECTED_REQUEST, "host", "this server is not asked under that name");
        Some(problem.hint("use the link that was printed"))
    } else if !matches!(*request.method(), Method::GET | Method::HEAD) && !hosts.own(request.headers()) {
        Some(Problem::new(StatusCode::FORBIDDEN, "origin", "a page of another site may not change anything here"))
    } else {
        None
    };
    let begun = Instant::now();
    let mut response = match refused {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    // How long it took here, in milliseconds: browsers show it, and `surefoot bench pages` counts it.
    let took = format!("total;dur={:.3}", begun.elapsed().as_secs_f64() * 1_000.0);
    headers.extend(HeaderValue::from_str(&took).ok().map(|took| (HeaderName::from_static("server-timing"), took)));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        Hosts::of(([127, 0, 0, 1], 4000).into())
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(*name, HeaderValue::from_static(value));
            headers
        })
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for host in ["127.0.0.1:4000", "localhost:4000", "LOCALHOST:4000", "[::1]:4000"] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            assert!(hosts().sent(&headers), "{host}");
        }
        for host in [
            "127.0.0.1",
            "127.0.0.1:4001",
            "evil.example:4000",
            "127.0.0.1:4000.evil.example",
            "127.0.0.1:4000,evil",
            "",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            assert!(!hosts().sent(&headers), "{host}");
        }
        assert!(!hosts().sent(&headers(&[])));
        assert!(!hosts().sent(&headers(&[("host", "127.0.0.1:4000"), ("host", "evil.example")])));
    }

    #[test]
    fn only_our_own_pages_and_programs_change_anything() {
        let own = |pairs: &[(&'static str, &'static str)]| hosts().own(&headers(pairs));
        assert!(own(&[("origin", "http://127.0.0.1:4000")]));
        assert!(own(&[]), "a program sends neither");
        assert!(own(&[("sec-fetch-site", "same-origin")]));
        assert!(!own(&[("origin", "https://127.0.0.1:4000")]));
        assert!(!own(&[("origin", "http://evil.example")]));
        assert!(!own(&[("origin", "null")]));
        assert!(!own(&[("sec-fetch-site", "cross-site")]));
        assert!(!own(&[("sec-fetch-site", "same-site")]));
    }
}
