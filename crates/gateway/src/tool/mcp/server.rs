//! One connection to a server, made when it is needed, and what the server says of its tools.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use kernel::tool::mcp::pin::{Definition, Identity};
use rmcp::{
    ClientHandler, ErrorData, Peer, RoleClient,
    model::{
        ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ErrorCode, Implementation,
        PaginatedRequestParams, ProtocolVersion,
    },
    service::{
        ClientCacheConfig, ClientInitializeError, ClientLifecycleMode, ClientServiceExt, NotificationContext,
        RequestContext, RunningService,
    },
    transport::{
        async_rw::AsyncRwTransport,
        common::client_side_sse::NeverRetry,
        streamable_http_client::{StreamableHttpClientTransport, StreamableHttpClientTransportConfig},
    },
};
use tokio::{sync::Mutex, time::Instant};

use super::{
    FRESH, LIST, LONGEST, McpServer, START, definition,
    fault::Fault,
    http::Wire,
    process::{self, Process},
    wire::{Bounded, Counted, Gauge},
};
use crate::{
    secret::{Scrubber, SecretText, Secrets},
    tool::http::HttpClient,
};

/// No server has more pages of tools.
const MOST_PAGES: usize = 100;
/// No server has more tools.
const MOST_TOOLS: usize = 1000;

/// What a server says of its tools.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// By the server's name.
    pub definitions: BTreeMap<Arc<str>, Definition>,
    /// Names that it says more than once.
    pub twice: BTreeSet<Arc<str>>,
}

/// What the server tells us unasked.
#[derive(Clone, Debug, Default)]
struct Ears {
    changed: Arc<AtomicBool>,
}

impl ClientHandler for Ears {
    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "elicitation is refused", None))
    }

    #[expect(deprecated, reason = "roots are refused, also to servers of a version that knows them")]
    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<rmcp::model::ListRootsResult, ErrorData> {
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "roots are refused", None))
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changed.store(true, Ordering::SeqCst);
    }

    fn get_info(&self) -> ClientConfig {
        let us = Implementation::new("surefoot", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), us)
    }
}

type Running = RunningService<RoleClient, Ears>;

/// A connection that stands, with what was listed on it last.
pub(super) struct Connection {
    running: Arc<Running>,
    process: Option<Arc<Process>>,
    gauge: Gauge,
    needles: Arc<Scrubber>,
    pub(super) listed: Listed,
    at: Instant,
}

impl Connection {
    pub(super) fn peer(&self) -> &Peer<RoleClient> {
        self.running.peer()
    }

    /// How much has left; only whether it changed means something.
    pub(super) fn written(&self) -> u64 {
        self.gauge.written()
    }

    pub(super) fn too_long(&self) -> bool {
        self.gauge.too_long()
    }

    pub(super) fn scrubber(&self) -> Arc<Scrubber> {
        self.needles.clone()
    }

    fn ended(&self) -> bool {
        self.running.is_closed() || self.peer().is_transport_closed()
    }
}

/// A server, connected or not.
pub(super) struct Server {
    way: McpServer,
    secrets: Arc<dyn Secrets>,
    client: HttpClient,
    state: Mutex<Option<Arc<Connection>>>,
    #[cfg(test)]
    pub(super) pipes: Option<super::tests::Pipes>,
}

impl Server {
    pub(super) fn new(way: McpServer, secrets: Arc<dyn Secrets>, client: HttpClient) -> Server {
        Server {
            way,
            secrets,
            client,
            state: Mutex::new(None),
            #[cfg(test)]
            pipes: None,
        }
    }

    /// A connection on which the server has said of late what its tools are.
    pub(super) async fn today(&self) -> Result<Arc<Connection>, Fault> {
        let mut state = self.state.lock().await;
        if let Some(connection) = state.take().filter(|connection| !connection.ended()) {
            let changed = connection.running.service().changed.swap(false, Ordering::SeqCst);
            if !changed && connection.at.elapsed() < FRESH {
                *state = Some(connection.clone());
                return Ok(connection);
            }
            if let Ok(listed) = list(connection.peer(), &connection).await {
                let again = Connection { listed, at: Instant::now(), ..connection.part() };
                return Ok(state.insert(Arc::new(again)).clone());
            }
            // It died unnoticed, or hangs: nothing was sent, and a new one may be asked.
        }
        let connection = Arc::new(self.connect().await?);
        Ok(state.insert(connection).clone())
    }

    /// The connection is good for nothing any more.
    pub(super) async fn forget(&self, connection: &Connection) {
        let mut state = self.state.lock().await;
        let same = |one: &Arc<Connection>| Arc::ptr_eq(&one.running, &connection.running);
        if state.as_ref().is_some_and(same) {
            *state = None;
        }
        if let Some(process) = &connection.process {
            process.kill();
        }
    }

    /// Ends the connection, and the program if there is one.
    pub(super) async fn stop(&self) {
        let connection = self.state.lock().await.take();
        if let Some(connection) = connection {
            if let Some(process) = &connection.process {
                process.kill();
                process.ended().await;
            }
            connection.running.cancellation_token().cancel();
        }
    }

    async fn connect(&self) -> Result<Connection, Fault> {
        let mut needles = Scrubber::default();
        let gauge = Gauge::default();
        #[cfg(test)]
        if let Some(pipes) = &self.pipes {
            let (read, write) = tokio::io::split(pipes());
            let running = started(over_pipes(read, write, &gauge, auto())).await?;
            return Connection::new(running, None, gauge, needles).await;
        }
        match &self.way {
            McpServer::Http { url, auth } => {
                let auth = auth.as_deref().map(SecretText::parse);
                if let Some(auth) = &auth {
                    auth.resolve(&*self.secrets, &mut needles).map_err(|error| Fault::Ours(error.to_string()))?;
                }
                let (client, secrets) = (self.client.clone(), self.secrets.clone());
                let wire = Wire { client, auth, secrets, gauge: gauge.clone() };
                let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
                    .max_sse_event_size(LONGEST)
                    .reinit_on_expired_session(false);
                config.retry_config = Arc::new(NeverRetry::default());
                let transport = StreamableHttpClientTransport::with_client(wire, config);
                let running = started(Ears::default().serve_with_lifecycle(transport, auto())).await?;
                Connection::new(running, None, gauge, needles).await
            }
            McpServer::Program(spec) => {
                let (process, read, write) = Process::start(spec, &*self.secrets, &mut needles)?;
                let process = Arc::new(process);
                let begun = started(over_pipes(read, write, &gauge, auto())).await;
                let running = match begun {
                    Ok(running) => running,
                    Err(fault) => {
                        let said = needles.scrub_text(process.finished().await);
                        return Err(process::start_failed(fault, &said));
                    }
                };
                Connection::new(running, Some(process), gauge, needles).await
            }
        }
    }
}

impl Connection {
    async fn new(
        running: Running,
        process: Option<Arc<Process>>,
        gauge: Gauge,
        needles: Scrubber,
    ) -> Result<Connection, Fault> {
        // What a server says of how long a list holds does not count: it is listed again when we want it.
        running.peer().set_response_cache_config(ClientCacheConfig::disabled()).await;
        let mut connection = Connection {
            running: Arc::new(running),
            process,
            gauge,
            needles: Arc::new(needles),
            listed: Listed::default(),
            at: Instant::now(),
        };
        connection.listed = list(connection.peer(), &connection).await?;
        connection.at = Instant::now();
        Ok(connection)
    }

    /// The same connection, for another list.
    fn part(&self) -> Connection {
        Connection {
            running: self.running.clone(),
            process: self.process.clone(),
            gauge: self.gauge.clone(),
            needles: self.needles.clone(),
            listed: Listed::default(),
            at: self.at,
        }
    }
}

/// The newest version first; a server that does not know it is asked as servers were before.
fn auto() -> ClientLifecycleMode {
    ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None }
}

async fn over_pipes(
    read: impl tokio::io::AsyncRead + Send + Unpin + 'static,
    write: impl tokio::io::AsyncWrite + Send + Unpin + 'static,
    gauge: &Gauge,
    mode: ClientLifecycleMode,
) -> Result<Running, ClientInitializeError> {
    let (read, write) = (Bounded::new(read, gauge.clone()), Counted::new(write, gauge.clone()));
    let transport = AsyncRwTransport::new_client(read, write).with_max_line_length(usize::MAX);
    Ears::default().serve_with_lifecycle(transport, mode).await
}

async fn started(begin: impl Future<Output = Result<Running, ClientInitializeError>>) -> Result<Running, Fault> {
    match tokio::time::timeout(START, begin).await {
        Ok(Ok(running)) => Ok(running),
        Ok(Err(error)) => Err(before(Fault::of_start(&error))),
        Err(_) => Err(Fault::Slow("begin")),
    }
}

/// Asks for all tools.
async fn list(peer: &Peer<RoleClient>, connection: &Connection) -> Result<Listed, Fault> {
    let whole = async {
        let said = peer.peer_info().and_then(|info| info.server_info.clone());
        let identity = said.map_or_else(
            || Identity { name: "".into(), version: "".into() },
            |said| Identity { name: said.name.into(), version: said.version.into() },
        );
        let (mut listed, mut cursor) = (Listed::default(), None);
        for _ in 0..MOST_PAGES {
            let mut page = PaginatedRequestParams::default();
            page.cursor = cursor.take();
            let page = peer.list_tools(Some(page)).await.map_err(|error| before(Fault::of(&error, connection)))?;
            for tool in &page.tools {
                let definition = definition(&identity, tool);
                if listed.definitions.contains_key(&definition.name) {
                    listed.twice.insert(definition.name.clone());
                }
                listed.definitions.insert(definition.name.clone(), definition);
            }
            if listed.definitions.len() > MOST_TOOLS {
                return Err(Fault::Foreign(format!("it lists more than {MOST_TOOLS} tools")));
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(listed);
            }
        }
        Err(Fault::Foreign(format!("its list has more than {MOST_PAGES} pages")))
    };
    tokio::time::timeout(LIST, whole).await.unwrap_or(Err(Fault::Slow("say what its tools are")))
}

/// What goes wrong before a call: nothing of it was sent, whatever became of the beginning or the list.
fn before(fault: Fault) -> Fault {
    match fault {
        Fault::Ended(why) => {
            Fault::Unreached(format!("it ended before it was called{}{why}", if why.is_empty() { "" } else { ": " }))
        }
        Fault::TooLong => Fault::Foreign("its list is longer than is read".to_owned()),
        Fault::Garbled(why) | Fault::Refused(why) | Fault::Protocol(why) => {
            Fault::Foreign(format!("it does not say what its tools are: {why}"))
        }
        Fault::Expired => Fault::Unreached("its session is over".to_owned()),
        Fault::Status(status, _) => Fault::Unreached(format!("it answers with the status {status}")),
        other => other,
    }
}
