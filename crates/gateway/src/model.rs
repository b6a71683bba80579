//! Models: what answers a request.
