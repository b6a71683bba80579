//! The row of a decision table that fired, and what an event is about.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::values::Value;

/// Which row of which table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRow {
    /// The table's file within the project.
    pub table: Arc<str>,
    /// The row's name, or its number; `None` for `otherwise`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<Arc<str>>,
    /// Where it stands in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The value that it gives, if it does not choose stages.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub gives: Value,
}

/// What an event is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// The event's type.
    pub event: Arc<str>,
    /// About what.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub key: Arc<str>,
}
