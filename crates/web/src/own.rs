//! Pages that an application brings. They stand below [`AT`] of its site, behind the same guard, sessions and forms as all others, in the same
//! layout; their links come first.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use askama::Template;
use axum::Router;

use crate::{
    pages::{Shown, Viewer, part},
    server::App,
};

/// Where an application's pages begin: no page of ours ever stands there.
pub(crate) const AT: &str = "/app";

/// The pages of an application, and what it does beside them.
///
/// A handler takes a [`Viewer`], [`Sent`](crate::Sent) or [`Uploaded`](crate::Uploaded) and gives what [`Viewer::page`] gives. What else it needs
/// comes as an `axum::Extension`.
pub struct Own {
    routes: Router<App>,
    links: Vec<(&'static str, &'static str)>,
    bell: Option<Ring>,
    beside: Mutex<Option<Beside>>,
}

/// What an application does as long as its pages are served.
pub type Beside = Box<dyn FnOnce(Stop) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Becomes ready when it is time to end.
pub type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

type Count = dyn Fn(Option<&str>) -> u64 + Send + Sync;

struct Ring {
    word: &'static str,
    path: &'static str,
    count: Arc<Count>,
}

/// A link to a page of the application.
pub(crate) struct Link {
    pub(crate) href: String,
    pub(crate) word: &'static str,
    /// Whether it is the page that is looked at.
    pub(crate) here: bool,
}

/// What the bell says now.
pub(crate) struct Bell {
    pub(crate) link: Link,
    /// Where it is asked for again.
    pub(crate) again: String,
    pub(crate) count: u64,
}

impl Own {
    /// Pages, by their paths below the place where an application's pages begin.
    pub fn new(routes: Router<App>) -> Own {
        Own { routes, links: Vec::new(), bell: None, beside: Mutex::default() }
    }

    /// A link at the top of every page of the site.
    #[must_use]
    pub fn link(mut self, word: &'static str, path: &'static str) -> Own {
        self.links.push((word, path));
        self
    }

    /// The last link at the top of every page, with how much there is of what a person has not seen. It renews itself and never interrupts.
    /// `count` answers for a person, or for nobody in particular, from memory: every page waits for it.
    #[must_use]
    pub fn bell(
        mut self,
        word: &'static str,
        path: &'static str,
        count: impl Fn(Option<&str>) -> u64 + Send + Sync + 'static,
    ) -> Own {
        self.bell = Some(Ring { word, path, count: Arc::new(count) });
        self
    }

    /// What is done as long as the pages are served. It begins with the server, goes on when files are saved, and ends soon after `Stop`.
    #[must_use]
    pub fn beside<F: Future<Output = ()> + Send + 'static>(
        self,
        beside: impl FnOnce(Stop) -> F + Send + 'static,
    ) -> Own {
        let beside: Beside = Box::new(|stop| Box::pin(beside(stop)));
        *self.beside.lock().unwrap_or_else(PoisonError::into_inner) = Some(beside);
        self
    }

    /// What is to be done beside the pages, once: whoever takes it does it.
    pub fn take_beside(&self) -> Option<Beside> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn routes(&self) -> Router<App> {
        self.routes.clone()
    }

    pub(crate) fn links(&self, viewer: &Viewer, here: &str) -> Vec<Link> {
        let link = |(word, path): &(&'static str, &'static str)| link(viewer, word, path, here == *path);
        self.links.iter().map(link).collect()
    }

    pub(crate) fn says(&self, viewer: &Viewer) -> Option<Bell> {
        let Ring { word, path, count } = self.bell.as_ref()?;
        let count = count(viewer.person());
        Some(Bell { link: link(viewer, word, path, false), again: viewer.path("/bell"), count })
    }
}

fn link(viewer: &Viewer, word: &'static str, path: &str, here: bool) -> Link {
    Link { href: viewer.own(path), word, here }
}

#[derive(Template)]
#[template(path = "parts/bell.html")]
struct BellPart {
    bell: Option<Bell>,
}

/// `GET /bell`: the bell as it is now.
pub(crate) async fn bell(viewer: Viewer) -> Shown {
    let bell = viewer.app.site.own().and_then(|own| own.says(&viewer));
    part(&BellPart { bell })
}
