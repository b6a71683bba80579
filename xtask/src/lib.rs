//! The rules that no compiler holds, each a function over the texts of the repository, and the pages written from the code.
//!
//! `tests/tidy.rs` runs every rule on this repository; each rule's own test shows a seeded violation that it finds.

pub mod generate;
pub mod house;
pub mod rust;
pub mod tidy;
