//! Sites for demonstrations: folders of pages, served on loopback to the page tools of the same process.
//!
//! Sockets, redirects and robots.txt are real; only the hosts are not. The server has no way in but a [`DemoSites`], which only the
//! `demo` profile of a project makes. It keeps a line for every request, so that "never asked for" can be checked.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::Response,
};
use kernel::{values::Value, workflow::profile::DemoSites, yaml};
use serde::Serialize;
use tokio::sync::oneshot;

/// What a host's folder may say about itself: `redirects: { /old: /new }`, `status: { /down: 503 }`.
const SITE_FILE: &str = "_site.yaml";
/// The biggest file that is served.
const MOST_BYTES: u64 = 16 << 20;
/// Requests that are kept in memory; the file has them all.
const MOST_KEPT: usize = 100_000;

/// Why the sites cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The project came without a folder.
    #[error("the sites of the profile `demo` stand in the project's folder, and this project has none")]
    NoFolder,
    /// A folder that `sites:` names.
    #[error("the profile `demo` names {0} for its sites, which is no folder")]
    Missing(PathBuf),
    /// No socket, no thread, no file for the log.
    #[error("the sites of the profile `demo` cannot be served: {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// One request that was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SiteRequest {
    /// The host, without a port.
    pub host: String,
    /// Path and query, as sent.
    pub path: String,
    /// What was answered.
    pub status: u16,
    /// Who asked.
    pub user_agent: String,
}

/// The server. Dropped, it stops.
pub struct SiteServer {
    address: SocketAddr,
    log: Arc<Log>,
    stop: Option<oneshot::Sender<()>>,
}

struct Log {
    kept: Mutex<Vec<SiteRequest>>,
    file: Option<Mutex<fs::File>>,
}

struct Sites {
    sites: DemoSites,
    folder: PathBuf,
    log: Arc<Log>,
}

impl SiteServer {
    /// Serves the sites of the project in `folder`, on a port of loopback that was free.
    ///
    /// # Errors
    /// [`SiteError`]: nothing is served.
    pub fn start(sites: &DemoSites, folder: &Path) -> Result<SiteServer, SiteError> {
        let system = |what| move |source| SiteError::System { what, source };
        for (_, within) in sites.folders() {
            let path = folder.join(&**within);
            if !path.is_dir() {
                return Err(SiteError::Missing(path));
            }
        }
        let file = match sites.log() {
            None => None,
            Some(within) => {
                let path = folder.join(&**within);
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent).map_err(system("make the folder of its log"))?;
                }
                let file = fs::OpenOptions::new().create(true).append(true).open(path);
                Some(Mutex::new(file.map_err(system("open its log"))?))
            }
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(system("listen on loopback"))?;
        listener.set_nonblocking(true).map_err(system("listen on loopback"))?;
        let address = listener.local_addr().map_err(system("listen on loopback"))?;
        let log = Arc::new(Log { kept: Mutex::default(), file });
        let state = Arc::new(Sites { sites: sites.clone(), folder: folder.to_owned(), log: log.clone() });
        // A thread of its own: a project is put together outside of any runtime, and the server must answer at once.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(system("start its runtime"))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let router = Router::new().fallback(answer).with_state(state);
                tokio::select! {
                    _ = axum::serve(listener, router) => {}
                    // Sent or dropped: both mean the end.
                    _ = stopped => {}
                }
            });
        };
        std::thread::Builder::new().name("sites".to_owned()).spawn(serve).map_err(system("start its thread"))?;
        Ok(SiteServer { address, log, stop: Some(stop) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, in the order answered.
    pub fn requests(&self) -> Vec<SiteRequest> {
        self.log.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for SiteServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread has ended already: nothing to stop.
            let _ = stop.send(());
        }
    }
}

impl Log {
    fn add(&self, request: SiteRequest) {
        if let Some(file) = &self.file
            && let Ok(mut line) = serde_json::to_vec(&request)
        {
            line.push(b'\n');
            let written = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
            if let Err(error) = written {
                tracing::warn!(%error, "a request to a site could not be written to its log");
            }
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_KEPT {
            kept.push(request);
        }
    }
}

/// What is sent back.
struct Answer {
    status: StatusCode,
    kind: &'static str,
    location: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    fn text(status: StatusCode, text: impl Into<String>) -> Answer {
        Answer { status, kind: "text/plain; charset=utf-8", location: None, body: text.into().into_bytes() }
    }

    fn redirect(to: String) -> Answer {
        Answer { location: Some(to), ..Answer::text(StatusCode::MOVED_PERMANENTLY, "") }
    }

    fn not_found() -> Answer {
        Answer::text(StatusCode::NOT_FOUND, "not found")
    }
}

async fn answer(State(sites): State<Arc<Sites>>, request: Request) -> Response {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let host = header(header::HOST).split(':').next().unwrap_or_default().to_ascii_lowercase();
    let host = host.trim_end_matches('.').to_owned();
    let user_agent = header(header::USER_AGENT).to_owned();
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let answer = if [Method::GET, Method::HEAD].contains(request.method()) {
        sites.find(&host, request.uri().path())
    } else {
        Answer::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD")
    };
    sites.log.add(SiteRequest { host, path, status: answer.status.as_u16(), user_agent });
    let mut response = Response::builder().status(answer.status).header(header::CONTENT_TYPE, answer.kind);
    if let Some(location) = answer.location {
        response = response.header(header::LOCATION, location);
    }
    // A redirect of `_site.yaml` may hold what no header can.
    response.body(Body::from(answer.body)).unwrap_or_else(|_| {
        let mut response = Response::new(Body::from("the target of this redirect is no header value"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

impl Sites {
    fn find(&self, host: &str, path: &str) -> Answer {
        let Some((_, within)) = self.sites.folders().iter().find(|(pattern, _)| pattern.matches(host)) else {
            return Answer::text(StatusCode::MISDIRECTED_REQUEST, "no such host");
        };
        // A pattern fits names of letters, digits, `-`, `_` and dots, but the header may hold anything before its end.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !host.chars().all(plain) || host.split('.').any(str::is_empty) {
            return Answer::not_found();
        }
        let site = self.folder.join(&**within).join(host);
        match rules(&site, path) {
            Ok(Some(answer)) => return answer,
            Ok(None) => {}
            Err(why) => return Answer::text(StatusCode::INTERNAL_SERVER_ERROR, why),
        }
        let Some(segments) = segments(path) else { return Answer::not_found() };
        let mut file = site;
        for segment in &segments {
            // What a link points to may stand anywhere on this machine.
            if is_link(&file) {
                return Answer::not_found();
            }
            file.push(segment);
        }
        if is_link(&file) {
            return Answer::not_found();
        }
        if file.is_dir() {
            if !path.ends_with('/') {
                return Answer::redirect(format!("{path}/"));
            }
            file.push("index.html");
        } else if !file.exists() && file.extension().is_none() && !path.ends_with('/') {
            file.set_extension("html");
        }
        read(&file).map_or_else(Answer::not_found, |body| Answer {
            status: StatusCode::OK,
            kind: kind(&file),
            location: None,
            body,
        })
    }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_symlink())
}

/// The parts of a path, decoded; `None` if one of them is not the plain name of a file that is shown.
fn segments(path: &str) -> Option<Vec<String>> {
    let segments = path.split('/').filter(|segment| !segment.is_empty()).map(|segment| {
        let bytes = decode(segment);
        let name = String::from_utf8(bytes).ok()?;
        let shown = !name.starts_with('.') && name != SITE_FILE && !name.contains(['/', '\\', ':', '\0']);
        shown.then_some(name)
    });
    segments.collect()
}

fn decode(segment: &str) -> Vec<u8> {
    let bytes = segment.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let encoded = (bytes[at] == b'%').then(|| segment.get(at + 1..at + 3)).flatten();
        match encoded.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

fn read(file: &Path) -> Option<Vec<u8>> {
    let about = fs::symlink_metadata(file).ok().filter(fs::Metadata::is_file)?;
    let mut body = Vec::new();
    fs::File::open(file).ok()?.take(MOST_BYTES).read_to_end(&mut body).ok()?;
    (about.len() <= MOST_BYTES).then_some(body)
}

/// What the host's own file says about a path. It is read at each request: who edits it need not start anew.
fn rules(site: &Path, path: &str) -> Result<Option<Answer>, String> {
    let Some(bytes) = read(&site.join(SITE_FILE)) else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|_| format!("{SITE_FILE} is not UTF-8 text"))?;
    let file = SITE_FILE.into();
    let read = yaml::parse(&file, &text).and_then(|node| node.to_value());
    let rules = read.map_err(|complaint| complaint.render(Some(&text)))?;
    let said = |key: &str| rules.get(key).and_then(|map| map.get(path)).cloned();
    if let Some(to) = said("redirects") {
        let to = to.as_str().ok_or_else(|| format!("{SITE_FILE}: the redirect of {path} is {}, no text", to.kind()))?;
        return Ok(Some(Answer::redirect(to.to_owned())));
    }
    match said("status") {
        None => Ok(None),
        Some(Value::Int(status)) => {
            let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
            let status = status.ok_or_else(|| format!("{SITE_FILE}: the status of {path} is none of HTTP"))?;
            Ok(Some(Answer::text(status, "")))
        }
        Some(other) => Err(format!("{SITE_FILE}: the status of {path} is {}, no number", other.kind())),
    }
}

fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        // Without a charset: a page says it itself, and whoever reads it must look.
        "html" | "htm" => "text/html",
        "txt" => "text/plain; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_plain_names_of_files() {
        let parts = |path: &str| segments(path).map(|parts| parts.join("|"));
        assert_eq!(parts("/"), Some(String::new()));
        assert_eq!(parts("/a%20b//c.html"), Some("a b|c.html".to_owned()));
        for path in [
            "/../x",
            "/%2e%2e/x",
            "/a/..%2fx",
            "/.git/config",
            "/_site.yaml",
            "/%5fsite.yaml",
            "/a%00",
            "/a%5cb",
            "/%ff",
            "/c:x",
        ] {
            assert_eq!(parts(path), None, "{path}");
        }
        assert_eq!(decode("100%"), b"100%");
        assert_eq!(decode("%é1"), "%é1".as_bytes());
    }
}
