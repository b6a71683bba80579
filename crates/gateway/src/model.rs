//! Models: what answers a request.

pub mod lower;
pub mod openai_chat;
pub mod rules;
pub mod scripted;
mod sse;
pub mod tolerant;
