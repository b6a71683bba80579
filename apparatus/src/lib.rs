//! What tests need from the outside world, and never ships: an effects ledger in its own process, and what reads it.

pub mod applications;
pub mod badland;
pub mod browser;
pub mod canaries;
pub mod counted;
pub mod injections;
pub mod kill;
pub mod ledger;
pub mod ledgerd;
pub mod life;
mod lines;
pub mod mcp;
pub mod mixed;
pub mod mockllm;
pub mod mutants;
pub mod oracle;
pub mod pictures;
pub mod races;
pub mod resolver;
pub mod retail;
pub mod smtp;
pub mod spend;
pub mod syscalls;
pub mod tour;
pub mod victim;
pub mod windows;
mod wire;
pub mod zombies;
pub mod http {
    //! The client that speaks to the apparatus.

    use std::sync::Once;

    /// A client without proxies, redirects or retries of its own, so that what it sends is what is counted.
    ///
    /// # Errors
    /// The machine's certificates cannot be read.
    pub fn client() -> Result<reqwest::Client, reqwest::Error> {
        static CRYPTO: Once = Once::new();
        CRYPTO.call_once(|| {
            // Already installed by someone else in this process: that one counts.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
    }
}
