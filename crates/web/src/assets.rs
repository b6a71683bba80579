//! What pages load: in the binary, named by version or digest, so that a browser may keep it.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use kernel::ids::Digest;

const STYLE: &str = include_str!("../assets/surefoot.css");
const SCRIPT: &str = include_str!("../assets/surefoot.js");
// 0BSD: assets/htmx.LICENSE, assets/htmx-sse.LICENSE.
const HTMX: &str = include_str!("../assets/htmx-2.0.11.min.js");
const HTMX_SSE: &str = include_str!("../assets/htmx-sse-2.2.4.min.js");
const ICON: &str = include_str!("../assets/surefoot.svg");

/// The names under which ours are served: they change with their bytes.
pub(crate) struct Names {
    pub(crate) style: String,
    pub(crate) script: String,
}

pub(crate) static NAMES: LazyLock<Names> = LazyLock::new(|| Names {
    style: format!("surefoot-{}.css", Digest::of(&[STYLE.as_bytes()]).short()),
    script: format!("surefoot-{}.js", Digest::of(&[SCRIPT.as_bytes()]).short()),
});

/// `GET /assets/{name}`.
pub(crate) async fn asset(Path(name): Path<String>) -> Response {
    let (kind, text) = match &*name {
        "htmx-2.0.11.min.js" => ("text/javascript; charset=utf-8", HTMX),
        "htmx-sse-2.2.4.min.js" => ("text/javascript; charset=utf-8", HTMX_SSE),
        "surefoot.svg" => ("image/svg+xml", ICON),
        name if *name == *NAMES.style => ("text/css; charset=utf-8", STYLE),
        name if *name == *NAMES.script => ("text/javascript; charset=utf-8", SCRIPT),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let cache = "public, max-age=31536000, immutable";
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)], text).into_response()
}
