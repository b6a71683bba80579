//! Models: what answers a request.

pub mod anthropic;
pub mod capabilities;
pub mod gemini;
pub mod lower;
pub mod openai_chat;
pub mod openai_responses;
pub mod remote;
pub mod rules;
pub mod scripted;
mod sse;
pub mod tolerant;
