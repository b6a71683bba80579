//! Finished words for pages: templates place them and decide nothing.

pub(crate) mod story;
pub(crate) mod value;
pub(crate) mod words;
