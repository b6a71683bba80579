//! Tools: what can act outside a run.

use std::sync::Arc;

use kernel::{
    expr::{Root, RootKind},
    values::{Timestamp, Value},
};

pub mod command;
pub mod http;
pub mod mail;
pub mod mcp;
pub mod native;
pub mod page;
pub mod sql;
pub mod webhook;

/// What time it is: the process brings its clock.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The first name other than `with` that an operation's texts read: what a tool sends is made from `with` alone.
fn stranger<'a>(mut roots: impl Iterator<Item = &'a Root>) -> Option<Arc<str>> {
    roots.find(|root| &*root.name != "with" || root.what != RootKind::Value).map(|root| root.name.clone())
}

/// `with` for each name that is read: there is no other, held by [`stranger`] where a tool is set up.
fn values(roots: &[Root], with: &Value) -> Vec<Value> {
    roots.iter().map(|_| with.clone()).collect()
}
