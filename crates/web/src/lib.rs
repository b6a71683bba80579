//! Shows: the HTTP API and the pages.
//!
//! Nothing here decides: what is shown is read through the store, what is changed goes through a command of the runtime. One [`Site`] is one
//! project with its runs; a [`Server`] answers for one or several of them to people and programs of this machine.
//!
//! A request passes [`guard`] first (host, origin, size), then a [`session`] (a cookie, or a program's token), and only then a page or a
//! part of the API. A page is a struct and a template of the same name; `view` makes the words that templates place. An application has pages of
//! its own in the same house: [`Own`].

mod api;
mod assets;
mod guard;
mod lately;
mod own;
mod pace;
mod pages;
mod problem;
mod server;
mod session;
mod site;
mod view;

pub use self::{
    api::{Caller, document},
    own::{Beside, Own, Stop},
    pages::{Failed, Sent, Shown, Upload, Uploaded, Viewer, go, part},
    problem::Problem,
    server::{App, ServeError, Server},
    session::Sessions,
    site::{CaseCopy, Copies, ExportCopy, Files, NotCopied, Served, Site, StartKey, Verified},
    view::words::{ago, plain},
};
