//! From a name to addresses that were checked.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve as ReqwestResolve, Resolving};

use super::{DemoHosts, Refusal, address};

/// Asks for the addresses of a name.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// All of them, in the order to be tried.
    ///
    /// # Errors
    /// The name has none, or nobody can be asked.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// What the HTTP client asks: it connects to what this gives and to nothing else.
pub(super) struct Checked {
    pub resolver: Arc<dyn Resolve>,
    pub demo: Option<Arc<DemoHosts>>,
    pub own: Arc<[IpAddr]>,
}

impl Checked {
    /// The addresses of `host`, all of them public; or the one address of this machine that serves it for a demonstration.
    pub(super) async fn addresses(
        resolver: &dyn Resolve,
        demo: Option<&DemoHosts>,
        own: &[IpAddr],
        host: &str,
    ) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        if let Some(address) = demo.and_then(|demo| demo.address_of(host)) {
            return Ok(vec![address]);
        }
        let addresses = resolver.addresses(host).await?;
        // One bad address spoils the answer: the client would try it as soon as a good one fails.
        for address in &addresses {
            if let Some(denied) = address::denied(*address, own) {
                return Err(Box::new(Refusal::Address { host: host.to_owned(), address: *address, denied }));
            }
        }
        if addresses.is_empty() {
            return Err(Box::new(io::Error::new(io::ErrorKind::NotFound, format!("`{host}` has no address"))));
        }
        // Port 0: that of the URL, which was admitted.
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect())
    }
}

impl ReqwestResolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, demo, own) = (self.resolver.clone(), self.demo.clone(), self.own.clone());
        Box::pin(async move {
            let found = Checked::addresses(&*resolver, demo.as_deref(), &own, name.as_str()).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
