//! A support desk: the second application of Surefoot. An e-mail goes in; it is answered, refunded, or handed to a person.
//!
//! The workflow is `workflows/support-email.yaml`; here are the pure functions that its `native:` steps name ([`natives`]), what the
//! classifier is learnt from and measured on ([`banking`], [`learn`], [`fit`], [`measure`]), and the desk, the mail server, the writer
//! and the planner of the demonstration ([`seed`], [`mailroom`], [`writer`], [`errands`]).

pub mod assess;
pub mod banking;
pub mod chance;
pub mod errands;
pub mod fit;
pub mod learn;
pub mod mail;
pub mod mailroom;
pub mod measure;
pub mod natives;
pub mod reply;
pub mod seed;
pub mod told;
pub mod words;
pub mod writer;
