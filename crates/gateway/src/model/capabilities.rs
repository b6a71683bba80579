//! What is known of models: data with a source and a date, in `models/capabilities.yaml`.
//!
//! A row says which parameters a model rejects, how it is made to use a tool, whether it takes a temperature, how it is told to think
//! and how of the shape of its answer. What is not known is not assumed: the last row of each dialect sends little.

use std::sync::{Arc, LazyLock};

use kernel::{
    complaint::{Complaint, Complaints},
    workflow::model::{Cap, Dialect, Effort, Structured},
    yaml::{self, Fields, Node},
};

const FILE: &str = "models/capabilities.yaml";
const TEXT: &str = include_str!("../../models/capabilities.yaml");

/// What is known of some models of one dialect.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Patterns of names; `*` stands for anything.
    pub models: Vec<Arc<str>>,
    /// How they are spoken to.
    pub dialect: Dialect,
    /// Keys of a body that are left out.
    pub rejects: Vec<Arc<str>>,
    /// The name of the longest answer, where the dialect has several.
    pub cap: Cap,
    /// Whether they can be made to use a tool.
    pub forces: bool,
    /// Whether they are free while they think, all the same.
    pub free_thinking: bool,
    /// Whether they take a temperature.
    pub sampling: Sampling,
    /// Whether they think.
    pub thinks: Thinks,
    /// The efforts they take.
    pub efforts: Vec<Effort>,
    /// How they are told of it.
    pub told: Told,
    /// What stands in the place of a signature where another model made a call; `None`: nothing need stand there.
    pub unsigned: Option<Arc<str>>,
    /// How they are told of the shape of an answer.
    pub structured: Structured,
    /// Who says so.
    pub source: Arc<str>,
    /// When that was read.
    pub date: Arc<str>,
}

/// Whether a model takes a temperature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// It does.
    Always,
    /// It does not.
    Never,
    /// Only while it does not think.
    UnlessThinking,
}

/// Whether a model thinks before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinks {
    /// Unless it is told not to.
    ByDefault,
    /// If it is told to.
    WhenAsked,
    /// It cannot.
    Never,
}

/// How a model is told how much to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// By a word.
    Word,
    /// By a word, and it decides for itself.
    Adaptive,
    /// By a level.
    Level,
    /// By a number of tokens.
    Budget,
}

static TABLE: LazyLock<Vec<Row>> =
    LazyLock::new(|| table(TEXT).unwrap_or_else(|wrong| panic!("the table of models is wrong: {wrong:?}")));

/// What is known of a model, by the server's name of it.
pub fn of(dialect: Dialect, model: &str) -> &'static Row {
    let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    let mut rows = TABLE.iter().filter(|row| row.dialect == dialect);
    rows.find(|row| row.models.iter().any(|pattern| fits(pattern, &name)))
        .expect("a row for every model: checked in table()")
}

/// All rows, in their order.
pub fn rows() -> &'static [Row] {
    &TABLE
}

fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

/// Reads a table, strictly.
///
/// # Errors
/// Everything that is wrong with it.
pub fn table(text: &str) -> Result<Vec<Row>, Vec<Complaint>> {
    let mut complaints = Complaints::new();
    let node = complaints.take(yaml::parse(&FILE.into(), text));
    let mut rows = Vec::new();
    if let Some(node) = &node
        && let Some(fields) = Fields::new(node, "the table of models", &["rows"], &[], &mut complaints)
    {
        for node in fields.list("rows", &mut complaints) {
            rows.extend(row(node, &mut complaints));
        }
        for dialect in Dialect::ALL {
            let last = rows.iter().rfind(|row: &&Row| row.dialect == dialect);
            if !last.is_some_and(|row| row.models.iter().any(|pattern| &**pattern == "*")) {
                let message = format!("the last row of `{}` must fit every model: `models: [\"*\"]`", dialect.as_str());
                complaints.push(node.complaint("W005", message));
            }
        }
    }
    if complaints.has_errors() { Err(complaints.into_sorted()) } else { Ok(rows) }
}

const KEYS: [&str; 13] = [
    "models",
    "dialect",
    "rejects",
    "cap",
    "forces",
    "while_thinking",
    "sampling",
    "thinks",
    "effort",
    "unsigned",
    "structured",
    "source",
    "date",
];

fn row(node: &Node, complaints: &mut Complaints) -> Option<Row> {
    let fields = Fields::new(node, "a row", &KEYS, &[], complaints)?;
    let before = complaints.len();
    let models = fields.required("models", complaints)?.texts(complaints)?;
    if models.is_empty() {
        complaints.push(node.complaint("W005", "a row without a model says nothing"));
    }
    let words = Dialect::ALL.map(Dialect::as_str);
    let dialect = fields.required("dialect", complaints)?.one_of(&words, complaints).and_then(Dialect::parse)?;
    let rejects = fields.get("rejects").and_then(|node| node.texts(complaints)).unwrap_or_default();
    if dialect == Dialect::OpenAiChat {
        fields.required("cap", complaints);
    } else if let Some(node) = fields.get("cap") {
        complaints.push(node.complaint("W005", "only `openai_chat` has several names for the longest answer"));
    }
    let cap = match fields.one_of("cap", &["max_completion_tokens", "max_tokens"], complaints) {
        Some("max_tokens") => Cap::MaxTokens,
        _ => Cap::MaxCompletionTokens,
    };
    let forces = fields.required("forces", complaints)?.one_of(&["auto", forced(dialect)], complaints)? != "auto";
    let free_thinking = fields.one_of("while_thinking", &["auto"], complaints).is_some();
    let sampling =
        match fields.required("sampling", complaints)?.one_of(&["always", "never", "unless_thinking"], complaints)? {
            "always" => Sampling::Always,
            "never" => Sampling::Never,
            _ => Sampling::UnlessThinking,
        };
    let thinks =
        match fields.required("thinks", complaints)?.one_of(&["by_default", "when_asked", "never"], complaints)? {
            "by_default" => Thinks::ByDefault,
            "when_asked" => Thinks::WhenAsked,
            _ => Thinks::Never,
        };
    let (efforts, told) = effort(&fields, dialect, complaints);
    let unsigned = fields.opt_text("unsigned", complaints);
    let structured = fields.required("structured", complaints)?.one_of(dialect.structured(), complaints);
    let structured = structured.and_then(Structured::parse)?;
    let source = fields.text("source", complaints)?;
    let date = fields.required("date", complaints)?;
    let text = date.text(complaints)?;
    if text.parse::<jiff::civil::Date>().is_err() {
        complaints.push(date.expected("a day, such as 2026-11-01"));
    }
    let row = Row {
        models,
        dialect,
        rejects,
        cap,
        forces,
        free_thinking,
        sampling,
        thinks,
        efforts,
        told,
        unsigned,
        structured,
        source,
        date: text,
    };
    (complaints.len() == before).then_some(row)
}

/// The word with which a dialect makes a model use a tool.
pub(crate) fn forced(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => "required",
        Dialect::Anthropic => "any",
        Dialect::Gemini => "ANY",
    }
}

fn effort(fields: &Fields<'_>, dialect: Dialect, complaints: &mut Complaints) -> (Vec<Effort>, Told) {
    let none = (Vec::new(), Told::Word);
    let Some(node) = fields.get("effort") else { return none };
    let Some(fields) = Fields::new(node, "`effort`", &["takes", "told"], &[], complaints) else { return none };
    let known = Effort::ALL.map(Effort::as_str);
    let takes = fields.list("takes", complaints).iter();
    let takes = takes.filter_map(|node| node.one_of(&known, complaints).and_then(Effort::parse)).collect();
    let ways: &[&str] = match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => &["word"],
        Dialect::Anthropic => &["adaptive", "budget"],
        Dialect::Gemini => &["level", "budget"],
    };
    let told = match fields.required("told", complaints).and_then(|node| node.one_of(ways, complaints)) {
        Some("adaptive") => Told::Adaptive,
        Some("level") => Told::Level,
        Some("budget") => Told::Budget,
        _ => Told::Word,
    };
    (takes, told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_well_formed_and_dated_and_can_be_reached() {
        let rows = table(TEXT).unwrap_or_else(|wrong| panic!("{wrong:#?}"));
        assert!(rows.len() > 20, "{}", rows.len());
        for (nth, row) in rows.iter().enumerate() {
            let date: jiff::civil::Date = row.date.parse().unwrap();
            assert!(date >= jiff::civil::date(2026, 8, 1), "{row:?}: older than the records");
            assert!(row.source.len() > 10, "{row:?}");
            for pattern in &row.models {
                let name = pattern.replace('*', "");
                let before = rows[..nth].iter().filter(|other| other.dialect == row.dialect);
                let hidden: Vec<_> = before.filter(|other| other.models.iter().any(|one| fits(one, &name))).collect();
                assert!(hidden.is_empty(), "`{pattern}` of {} is hidden by {hidden:?}", row.dialect.as_str());
            }
            assert!(row.thinks != Thinks::Never || row.efforts.is_empty(), "{row:?}");
        }
    }

    #[test]
    fn a_model_has_the_first_row_that_fits() {
        let efforts = |dialect, model| of(dialect, model).efforts.len();
        assert_eq!(efforts(Dialect::OpenAiChat, "gpt-5-nano"), 4);
        assert_eq!(efforts(Dialect::OpenAiChat, "openai/GPT-5.6"), 5);
        assert_eq!(of(Dialect::OpenAiChat, "gpt-5-chat-latest").sampling, Sampling::Always);
        assert_eq!(of(Dialect::Gemini, "gemini-3-flash-preview").efforts[0], Effort::Minimal);
        assert_eq!(of(Dialect::Gemini, "gemini-3.1-pro-preview").efforts, [Effort::Low, Effort::High]);
        assert_eq!(of(Dialect::Anthropic, "claude-opus-4-20250514").structured, Structured::Text);
        for dialect in Dialect::ALL {
            let row = of(dialect, "nobody-knows-it");
            assert!(!row.forces && row.efforts.is_empty() && row.thinks == Thinks::Never, "{row:?}");
        }
    }

    #[test]
    fn a_table_with_a_mistake_is_none() {
        let bad = |from: &str, to: &str| {
            assert!(TEXT.contains(from), "{from}");
            table(&TEXT.replacen(from, to, 1))
                .unwrap_err()
                .iter()
                .map(|wrong| wrong.message.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            bad("date: 2026-11-28", "date: lately"),
            ["expected a day, such as 2026-11-01, but here stands the text `lately`"]
        );
        assert_eq!(bad("    date: 2026-11-28\n", ""), ["a row needs `date`"]);
        assert_eq!(bad("forces: required", "forces: any"), ["`any` cannot stand here"]);
        assert_eq!(bad("sampling: always", "samplings: always").len(), 2);
        assert_eq!(
            bad("models: [\"*\"]", "models: [any-*]"),
            ["the last row of `openai_chat` must fit every model: `models: [\"*\"]`"]
        );
    }
}
