//! Answers for one or several sites on an address of this machine.

use std::{future::Future, io, net::SocketAddr, sync::Arc};

use axum::{Router, extract::DefaultBodyLimit, middleware, routing::get};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    api, assets,
    guard::{self, BODY_BYTES, Hosts},
    own, pages,
    session::Sessions,
    site::Site,
};

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Whoever reaches that address would be let in: there are no accounts yet.
    #[error("{address} can be reached from other machines: only addresses of this one are served")]
    Public {
        /// Which.
        address: SocketAddr,
    },
    /// Two projects have one name, and their pages would stand at the same place.
    #[error("two projects are called {name}")]
    Twice {
        /// The name.
        name: Arc<str>,
    },
    /// The system refused.
    #[error("the server cannot go on")]
    Io(#[from] io::Error),
}

/// One or several sites, and who may look at them.
pub struct Server {
    sites: Vec<Site>,
    sessions: Sessions,
}

/// What a request of a site is answered with: the state of every page, also of an application's own.
#[derive(Clone)]
pub struct App {
    pub(crate) site: Site,
    pub(crate) sessions: Sessions,
    /// Other sites of the same server: name and base.
    pub(crate) others: Arc<[(Arc<str>, Arc<str>)]>,
    /// Turns true when the server closes: what streams ends then.
    pub(crate) closing: watch::Receiver<bool>,
}

impl Server {
    /// Sites of one server; a lone one may stand at the root, several have a base each.
    pub fn new(sites: Vec<Site>, sessions: Sessions) -> Server {
        Server { sites, sessions }
    }

    /// Answers until `shutdown`, then lets open answers end.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            return Err(ServeError::Public { address });
        }
        let (close, closing) = watch::channel(false);
        let app = self.router(Hosts::of(address), closing)?;
        let shutdown = async move {
            shutdown.await;
            close.send_replace(true);
        };
        Ok(axum::serve(listener, app).with_graceful_shutdown(shutdown).await?)
    }

    pub(crate) fn router(self, hosts: Hosts, closing: watch::Receiver<bool>) -> Result<Router, ServeError> {
        let others: Arc<[_]> = self.sites.iter().map(|site| (site.name(), site.base().into())).collect();
        let mut router = Router::new().route("/assets/{name}", get(assets::asset));
        let mut bases = Vec::new();
        for site in self.sites {
            if bases.contains(&site.base().to_owned()) {
                return Err(ServeError::Twice { name: site.name() });
            }
            bases.push(site.base().to_owned());
            let base = site.base().to_owned();
            let app = App { site, sessions: self.sessions.clone(), others: others.clone(), closing: closing.clone() };
            let pages = pages::routes().nest("/api/v1", api::routes());
            let pages = match app.site.own() {
                Some(own) => pages.nest(own::AT, own.routes()),
                None => pages,
            };
            let all = pages.fallback(pages::nothing).with_state(app);
            router = if base.is_empty() { router.merge(all) } else { router.nest(&base, all) };
        }
        if !bases.contains(&String::new()) {
            router = router.merge(pages::doors(self.sessions, others));
        }
        Ok(router.layer(DefaultBodyLimit::max(BODY_BYTES)).layer(middleware::from_fn_with_state(hosts, guard::guard)))
    }
}

#[cfg(test)]
mod tests;
