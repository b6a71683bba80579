//! Models: what answers a request.

pub mod rules;
pub mod scripted;
