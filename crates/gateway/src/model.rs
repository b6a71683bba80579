//! Models: what answers a request.

pub mod scripted;
