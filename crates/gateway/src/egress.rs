//! The guard in front of whatever reads addresses that come from data.
//!
//! A URL that a model, a page or a message brought may name this machine, the cloud's metadata service or a printer. So:
//!
//! - A URL is parsed once, by the parser that the HTTP client uses as well. What passes becomes an [`Admitted`], and only that can
//!   be fetched.
//! - Scheme, port and host are on lists; user names and passwords are refused.
//! - A host that is an address is checked at once: such a host never reaches a resolver.
//! - A name is resolved once, when the connection is made. Every address of the answer must be a public one, and the connection
//!   goes to those addresses and to no other: an answer that changes later changes nothing.
//! - Redirects are never followed by the client: each is a new address, admitted like the first ([`Guard::redirected`]).
//! - Proxies of the environment are not used: behind one, all of this would be checked for the proxy's address.
//!
//! What the *operator* names is another matter: a base URL of `tool/http` is a backend of the operator's own, may be on loopback
//! or in a private network, and does not come here.

use std::{fmt, net::IpAddr, sync::Arc};

use kernel::tool::page::Hosts;
use reqwest::header::HeaderMap;
use url::{Host, Url};

use crate::{
    fault::{Mutants, REDIRECT_NOT_REVALIDATED},
    tool::http::install_crypto,
};

pub mod address;
mod demo;
mod resolve;
#[cfg(test)]
pub(crate) mod tests;

use self::{address::Denied, resolve::Checked};
pub use self::{
    demo::{DemoHosts, NotLoopback},
    resolve::{Resolve, SystemResolver},
};

/// The longest URL that is read.
const LONGEST: usize = 4096;

/// What may be reached.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The hosts.
    pub hosts: Hosts,
    /// Whether `http:` is allowed beside `https:`.
    pub http: bool,
    /// The ports; empty: 443 for `https:` and 80 for `http:`.
    pub ports: Vec<u16>,
    /// Public addresses of this machine, on which it listens itself.
    pub own: Vec<IpAddr>,
}

/// Why an address may not be asked. Nothing was sent to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than any address of a page.
    #[error("the URL has {length} characters, and {LONGEST} is the most")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// No URL with a host.
    #[error("`{url}` is no absolute URL of a host: {why}")]
    NoUrl {
        /// As given, cut.
        url: String,
        /// What the parser says.
        why: String,
    },
    /// Neither `https:` nor, where it is allowed, `http:`.
    #[error("the scheme `{scheme}:` is not allowed: only {allowed}")]
    Scheme {
        /// The scheme.
        scheme: String,
        /// What is.
        allowed: &'static str,
    },
    /// `user:password@`.
    #[error("the URL holds a user or a password for `{host}`: such a URL is never read")]
    UserInfo {
        /// The host after it.
        host: String,
    },
    /// A port that is not on the list.
    #[error("port {port} of `{host}` is not allowed: only {allowed}")]
    Port {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// Those that are.
        allowed: String,
    },
    /// A host that is not on the list.
    #[error("the host `{host}` is not one that this tool may ask")]
    Host {
        /// The host.
        host: String,
    },
    /// An address that is no public one.
    #[error("`{host}` is at {address}, which is {denied}")]
    Address {
        /// The host.
        host: String,
        /// The first of its addresses that is denied.
        address: IpAddr,
        /// Why.
        denied: Denied,
    },
    /// From an encrypted page to one that is not.
    #[error("{from} goes on to {to}: never from https to http")]
    Downgrade {
        /// The page that redirects.
        from: String,
        /// Where to.
        to: String,
    },
    /// A host of a demonstration is served by this machine, in one way.
    #[error("`{host}` is a host of the demonstration: it is asked by `http:` and without a port")]
    DemoHost {
        /// The host.
        host: String,
    },
}

/// A URL that may be asked. Only a [`Guard`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted(Url);

impl Admitted {
    /// The URL, without a fragment.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Scheme, host and port: what robots.txt stands for.
    pub fn origin(&self) -> &str {
        &self.0[..url::Position::BeforePath]
    }
}

impl fmt::Display for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Admits URLs, and fetches what it has admitted.
pub struct Guard {
    rules: Rules,
    demo: Option<Arc<DemoHosts>>,
    client: reqwest::Client,
    pub(crate) mutants: Mutants,
    #[cfg(test)]
    handed: Arc<tests::Handed>,
}

impl Guard {
    /// A guard with connections of its own. Names are resolved by `resolver`, except those of a demonstration.
    ///
    /// # Errors
    /// The machine's certificates cannot be read.
    pub fn new(
        rules: Rules,
        user_agent: &str,
        resolver: Arc<dyn Resolve>,
        demo: Option<Arc<DemoHosts>>,
    ) -> Result<Guard, reqwest::Error> {
        install_crypto();
        let checked = Checked { resolver, demo: demo.clone(), own: rules.own.clone().into() };
        #[cfg(test)]
        let (checked, handed) = tests::Handed::watch(checked);
        let client = reqwest::Client::builder()
            .user_agent(user_agent)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(std::time::Duration::from_secs(10))
            .pool_idle_timeout(std::time::Duration::from_secs(15))
            .dns_resolver(Arc::new(checked))
            .build()?;
        Ok(Guard {
            rules,
            demo,
            client,
            mutants: Mutants::default(),
            #[cfg(test)]
            handed,
        })
    }

    /// Admits a URL that data brought.
    ///
    /// # Errors
    /// [`Refusal`]: it is never asked.
    pub fn admit(&self, text: &str) -> Result<Admitted, Refusal> {
        if text.len() > LONGEST {
            return Err(Refusal::TooLong { length: text.len() });
        }
        let url = Url::parse(text).map_err(|error| no_url(text, &error.to_string()))?;
        self.check(url)
    }

    /// Admits where `from` redirects to: `location` as the header has it, relative or not.
    ///
    /// # Errors
    /// [`Refusal`]: the redirect is not followed.
    pub fn redirected(&self, from: &Admitted, location: &str) -> Result<Admitted, Refusal> {
        if location.len() > LONGEST {
            return Err(Refusal::TooLong { length: location.len() });
        }
        let url = from.0.join(location).map_err(|error| no_url(location, &error.to_string()))?;
        if self.mutants.make(REDIRECT_NOT_REVALIDATED) {
            return Ok(Admitted(url));
        }
        if from.0.scheme() == "https" && url.scheme() == "http" {
            return Err(Refusal::Downgrade { from: from.to_string(), to: url.to_string() });
        }
        self.check(url)
    }

    fn check(&self, mut url: Url) -> Result<Admitted, Refusal> {
        url.set_fragment(None);
        let Some(host) = url.host_str().filter(|host| !host.is_empty()).map(str::to_owned) else {
            return match url.scheme() {
                "http" | "https" => Err(no_url(url.as_str(), "it has no host")),
                other => Err(self.scheme(other)),
            };
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInfo { host });
        }
        if self.is_demo(&host) {
            if url.scheme() != "http" || url.port().is_some() {
                return Err(Refusal::DemoHost { host });
            }
            return if self.rules.hosts.allow(&host) { Ok(Admitted(url)) } else { Err(Refusal::Host { host }) };
        }
        let usual = match url.scheme() {
            "https" => 443,
            "http" if self.rules.http => 80,
            other => return Err(self.scheme(other)),
        };
        let port = url.port().unwrap_or(usual);
        let allowed = if self.rules.ports.is_empty() { &[usual][..] } else { &self.rules.ports };
        if !allowed.contains(&port) {
            let allowed = allowed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(Refusal::Port { host, port, allowed });
        }
        if !self.rules.hosts.allow(&host) {
            return Err(Refusal::Host { host });
        }
        // An address never reaches the resolver: the client connects to it as it stands.
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        if let Some(address) = address
            && let Some(denied) = address::denied(address, &self.rules.own)
        {
            return Err(Refusal::Address { host, address, denied });
        }
        Ok(Admitted(url))
    }

    fn scheme(&self, scheme: &str) -> Refusal {
        let allowed = if self.rules.http { "https: and http:" } else { "https:" };
        Refusal::Scheme { scheme: scheme.to_owned(), allowed }
    }

    /// Whether this machine serves `host` itself, for a demonstration.
    pub fn is_demo(&self, host: &str) -> bool {
        self.demo.as_ref().is_some_and(|demo| demo.address_of(host).is_some())
    }

    /// Asks once for what was admitted.
    pub(crate) async fn get(
        &self,
        admitted: &Admitted,
        headers: HeaderMap,
        within: std::time::Duration,
    ) -> Result<reqwest::Response, Unanswered> {
        #[cfg(test)]
        self.handed.literal(admitted);
        let sent = self.client.get(admitted.0.clone()).headers(headers).timeout(within).send().await;
        sent.map_err(Unanswered::from)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The name has an address that may not be asked.
    Refused(Refusal),
    /// The network, or the other side.
    Lost(reqwest::Error),
}

impl From<reqwest::Error> for Unanswered {
    /// The resolver's refusal comes back wrapped in the client's own errors.
    fn from(error: reqwest::Error) -> Unanswered {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if let Some(refusal) = inner.downcast_ref::<Refusal>() {
                return Unanswered::Refused(refusal.clone());
            }
            cause = inner.source();
        }
        Unanswered::Lost(error)
    }
}

fn no_url(text: &str, why: &str) -> Refusal {
    let cut: String = text.chars().take(200).collect();
    Refusal::NoUrl { url: cut, why: why.to_owned() }
}
