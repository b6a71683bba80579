//! The library that others embed, and what the binary `surefoot` is made of.

pub mod cli;
pub mod error;
pub mod exit;
pub mod export;
pub mod notebook;
pub mod project;
pub mod reach;
pub mod story;
