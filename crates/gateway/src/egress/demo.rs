//! Hosts of a demonstration: served by this machine, through the same client as every other.

use std::net::SocketAddr;

use kernel::{tool::host::HostPattern, workflow::profile::DemoSites};

/// Hosts that a guard finds on this machine.
///
/// Made from [`DemoSites`] alone, and those only from a `demo` profile, for names that nobody can own. A guard that is given none
/// knows no way to loopback.
#[derive(Clone, Debug)]
pub struct DemoHosts {
    patterns: Vec<HostPattern>,
    address: SocketAddr,
}

/// The server of a demonstration listens where others may reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no loopback address with a port: sites of a demonstration stay on this machine")]
pub struct NotLoopback(pub SocketAddr);

impl DemoHosts {
    /// The hosts of `sites`, at `address`.
    ///
    /// # Errors
    /// [`NotLoopback`].
    pub fn new(sites: &DemoSites, address: SocketAddr) -> Result<DemoHosts, NotLoopback> {
        // A port of 0 would mean that of the URL: some other server of this machine.
        if !address.ip().is_loopback() || address.port() == 0 {
            return Err(NotLoopback(address));
        }
        let patterns = sites.folders().iter().map(|(pattern, _)| pattern.clone()).collect();
        Ok(DemoHosts { patterns, address })
    }

    /// Where `host` is, if it is one of these.
    pub(crate) fn address_of(&self, host: &str) -> Option<SocketAddr> {
        self.patterns.iter().any(|pattern| pattern.matches(host)).then_some(self.address)
    }
}
