//! Finished words for pages: templates place them and decide nothing.

pub(crate) mod bar;
pub(crate) mod chapters;
pub(crate) mod context;
pub(crate) mod decision;
pub(crate) mod form;
pub(crate) mod graph;
pub(crate) mod lines;
pub(crate) mod outcome;
pub(crate) mod policies;
pub(crate) mod story;
pub(crate) mod value;
pub(crate) mod versions;
pub(crate) mod words;
