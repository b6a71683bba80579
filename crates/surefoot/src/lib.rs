//! The library that others embed, and what the binary `surefoot` is made of.

mod case;
pub mod cli;
pub mod embed;
pub mod error;
pub mod exit;
pub mod export;
pub mod notebook;
pub mod pages;
pub mod project;
pub mod reach;
mod rehearse;
pub mod seen;
pub mod sites;
pub mod story;
mod trial;

pub use embed::{BuildError, Builder, Surefoot};
pub use gateway::{
    Provider, Reply,
    model::rules::{self, calibration},
    secret::Lookup,
    tool::native::{Call, NativeTool},
};
pub use kernel::{
    context::{ModelRequest, Proposed, Turn},
    ids::RunId,
    journal::Usage,
    recovery::{Failure, FailureKind},
    values::Value,
    workflow::project::Sources,
};
pub use runtime::{Ended, RunError, StartedRun, asked};
