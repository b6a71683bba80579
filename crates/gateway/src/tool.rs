//! Tools: what can act outside a run.

pub mod http;
pub mod native;
pub mod page;
pub mod sql;
