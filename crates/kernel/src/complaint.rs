//! Complaints: what is wrong in a file a person wrote, where it stands and what to try instead.

mod workflow;

use std::{fmt, sync::Arc};

pub use self::workflow::WORKFLOW;

/// One line of the list of complaints: its id, its title, and what it means and what to do about it.
pub type Known = (&'static str, &'static str, &'static str);

/// YAML files.
pub const YAML: &[Known] = &[
    ("Y001", "not YAML", "The file cannot be read as YAML. Quote a value that holds `: `, ` #`, a comma or a brace."),
    ("Y002", "anchor", "Anchors (`&name`) are not read: write the value where it is used."),
    (
        "Y003",
        "alias",
        "Aliases (`*name`) are not read: write the value where it is used, or quote a text that starts with `*`.",
    ),
    ("Y004", "tag", "Tags (`!!str`, `!x`) are not read: quote a text, and quote a text that starts with `!`."),
    ("Y005", "duplicate key", "A key stands twice in one map. YAML readers disagree about which one counts."),
    ("Y006", "several documents", "A file holds one document: no `---` after the first line of content and no `...`."),
    ("Y007", "tab", "Tabs are not read anywhere: indent with spaces, and write `\\t` in a double-quoted text."),
    ("Y008", "too deep", "Lists and maps may be nested 64 deep."),
    ("Y009", "too big", "A file may have 1 MiB."),
    ("Y010", "key is not a text", "A key is a plain or quoted text, never a list or a map, and never empty."),
    ("Y011", "merge key", "`<<` is not read: write the keys where they are used."),
    (
        "Y012",
        "ambiguous value",
        "YAML readers disagree about this value. Quote it to have a text, or write true, false, null or a plain decimal number.",
    ),
    ("Y013", "control character", "A control character stands in the file, perhaps from copying."),
    ("Y014", "nothing in the file", "The file is empty or holds comments only."),
    ("Y015", "number out of range", "Whole numbers go to 2^53 - 1: beyond it, write a text."),
];

/// Schemas.
pub const SCHEMA: &[Known] = &[
    ("S001", "not a schema", "The file does not follow JSON Schema 2020-12."),
    (
        "S002",
        "unknown keyword",
        "JSON Schema would ignore this keyword in silence, so it is refused. Notes belong in `description` or `$comment`.",
    ),
    ("S003", "remote reference", "`$ref` may point into the same file only (`#/$defs/…`): a bundle must be complete."),
    ("S004", "reference to nothing", "The place that `$ref` names does not exist in this file."),
    ("S005", "endless reference", "`$ref` goes back to itself without a property or an item in between."),
    (
        "S006",
        "bad pattern",
        "The pattern is no regular expression of the linear kind: no look-around, no back-references, no huge repetitions.",
    ),
    (
        "S007",
        "keyword not supported yet",
        "The keyword is planned and not built. It is refused because ignoring it would be worse.",
    ),
    ("S008", "unknown format", "The format is not one that is checked here."),
];

/// Expressions and texts with holes.
pub const EXPRESSION: &[Known] = &[
    ("E001", "not an expression", "The expression cannot be read."),
    ("E002", "unknown name", "No step, input or function of this name can be seen here."),
    ("E003", "wrong type", "The value has a type that cannot be used here."),
    ("E004", "may be none", "A step that may be skipped gives none: guard it with `ran(step)`."),
    ("E005", "hole is not closed", "`{{` opens a hole that no `}}` closes."),
    (
        "E006",
        "only holes",
        "A text may hold `{{ expressions }}` and nothing else: no blocks `{% %}` and no comments `{# #}`.",
    ),
    ("E007", "literal in `see:`", "`see:` shows data, never text of its own: that belongs in the prompt."),
    (
        "E008",
        "too long",
        "An expression may have 8 KiB, 250 operators and 24 nested brackets: put a `set` step before it.",
    ),
];

const PARTS: &[&[Known]] = &[YAML, SCHEMA, EXPRESSION, WORKFLOW];

const fn total(parts: &[&[Known]]) -> usize {
    let (mut sum, mut part) = (0, 0);
    while part < parts.len() {
        sum += parts[part].len();
        part += 1;
    }
    sum
}

const fn joined() -> [Known; total(PARTS)] {
    let mut all = [("", "", ""); total(PARTS)];
    let (mut at, mut part) = (0, 0);
    while part < PARTS.len() {
        let mut line = 0;
        while line < PARTS[part].len() {
            all[at] = PARTS[part][line];
            at += 1;
            line += 1;
        }
        part += 1;
    }
    all
}

/// Every complaint there is: id, title, explanation. The reference page is made from it.
pub static ALL: &[Known] = &joined();

/// Where something stands in a file. All three count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// How many characters of that line are meant, at least 1.
    pub len: u32,
}

/// Whether a complaint stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The project cannot be used.
    Error,
    /// Worth a look.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Its number in [`ALL`].
    pub id: &'static str,
    /// Whether it stops.
    pub severity: Severity,
    /// The file, as the project names it.
    pub file: Arc<str>,
    /// Where in the file; `None` when it is about the file as a whole.
    pub at: Option<Place>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to try.
    pub hint: Option<String>,
}

impl Complaint {
    /// An error about a place.
    pub fn new(
        id: &'static str,
        file: &Arc<str>,
        at: impl Into<Option<Place>>,
        message: impl Into<String>,
    ) -> Complaint {
        debug_assert!(ALL.iter().any(|known| known.0 == id), "complaint {id} is not in the list");
        let (file, at, message) = (file.clone(), at.into(), message.into());
        Complaint { id, severity: Severity::Error, file, at, message, hint: None }
    }

    /// The same, as a warning.
    #[must_use]
    pub fn warning(self) -> Complaint {
        Complaint { severity: Severity::Warning, ..self }
    }

    /// The same, with what to try.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Complaint {
        Complaint { hint: Some(hint.into()), ..self }
    }

    /// The same; a hint that is already there stays.
    #[must_use]
    pub fn or_hint(self, hint: Option<String>) -> Complaint {
        Complaint { hint: self.hint.or(hint), ..self }
    }

    /// For a terminal: file, place, message; the line it is about, if `source` (the text of the file) is there; the hint.
    pub fn render(&self, source: Option<&str>) -> String {
        let mut out = self.to_string();
        out.push('\n');
        if let (Some(at), Some(source)) = (self.at, source)
            && let Some(line) = source.lines().nth(at.line as usize - 1)
        {
            excerpt(&mut out, at, line);
        }
        if let Some(hint) = &self.hint {
            out.push_str("   help: ");
            out.push_str(hint);
            out.push('\n');
        }
        out
    }
}

/// The widest part of a line that is shown.
const SHOWN: usize = 110;

fn excerpt(out: &mut String, at: Place, line: &str) {
    let column = at.column.max(1) as usize - 1;
    let from = if column >= SHOWN { column - SHOWN / 4 } else { 0 };
    let shown: String = line.chars().skip(from).take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let width = shown.chars().count();
    let start = (column - from).min(width);
    let len = (at.len.max(1) as usize).min(width.saturating_sub(start).max(1));
    let pad = " ".repeat(start);
    let marks = "^".repeat(len);
    out.push_str(&format!("{:>5} | {}\n      | {pad}{marks}\n", at.line, shown.trim_end()));
}

impl fmt::Display for Complaint {
    /// One line: `workflows/mail.yaml:12:9: error[W001]: unknown key …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Complaint { id, severity, file, message, .. } = self;
        match self.at {
            Some(at) => write!(f, "{file}:{}:{}: {severity}[{id}]: {message}", at.line, at.column),
            None => write!(f, "{file}: {severity}[{id}]: {message}"),
        }
    }
}

/// Collects complaints, so that a person sees all of a file's and not only the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaints {
    list: Vec<Complaint>,
}

impl Complaints {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more.
    pub fn push(&mut self, complaint: Complaint) {
        self.list.push(complaint);
    }

    /// Several more.
    pub fn extend(&mut self, complaints: impl IntoIterator<Item = Complaint>) {
        self.list.extend(complaints);
    }

    /// The value; or nothing, and its complaint is kept.
    pub fn take<T>(&mut self, result: Result<T, Complaint>) -> Option<T> {
        result.map_err(|complaint| self.push(complaint)).ok()
    }

    /// The value; or nothing, and its complaints are kept.
    pub fn take_all<T>(&mut self, result: Result<T, Vec<Complaint>>) -> Option<T> {
        result.map_err(|complaints| self.extend(complaints)).ok()
    }

    /// Whether nothing was complained about.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many so far.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether one of them stops.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|complaint| complaint.severity == Severity::Error)
    }

    /// So far, in the order they came.
    pub fn as_slice(&self) -> &[Complaint] {
        &self.list
    }

    /// By file and place; what was said twice is said once.
    pub fn into_sorted(mut self) -> Vec<Complaint> {
        self.list.sort_by(|a, b| (&a.file, a.at, a.id, &a.message).cmp(&(&b.file, b.at, b.id, &b.message)));
        self.list.dedup();
        self.list
    }

    /// `value` if nothing stops, else everything that was said.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Complaint>> {
        match value {
            Some(value) if !self.has_errors() => Ok(value),
            _ => Err(self.into_sorted()),
        }
    }
}

/// The candidate a person probably meant by `word`: the one with the fewest slips, if they are few for its length.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let length = lower.chars().count();
    let allowed = match length {
        0 => return None,
        1..=2 => 1,
        3..=5 => 2,
        _ => length / 3,
    };
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = candidate.to_lowercase();
        let slips = if other == lower {
            0
        } else if length >= 3 && (other.starts_with(&lower) || (other.len() >= 3 && lower.starts_with(&other))) {
            1
        } else {
            strsim::damerau_levenshtein(&lower, &other)
        };
        // A word of two letters has too little left of it after one slip, unless the first letter holds.
        let alike = length > 2 || slips == 0 || other.chars().next() == lower.chars().next();
        if slips <= allowed
            && slips < other.chars().count().max(2)
            && alike
            && best.is_none_or(|(least, _)| slips < least)
        {
            best = Some((slips, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// `did you mean …?`, or the list of what may stand here when it is short.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(candidate) = nearest(word, candidates.clone()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    let all: Vec<_> = candidates.into_iter().collect();
    match all.len() {
        0 => None,
        1..=13 => Some(format!("one of {}", all.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", "))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn ids_are_unique_and_in_order_within_their_area() {
        for part in PARTS {
            assert!(part.windows(2).all(|pair| pair[0].0 < pair[1].0), "{part:?}");
        }
        assert_eq!(ALL.len(), YAML.len() + SCHEMA.len() + EXPRESSION.len() + WORKFLOW.len());
        assert_eq!(ALL[0].0, "Y001");
    }

    #[test]
    fn a_complaint_shows_the_line_and_what_to_try() {
        let source = "a: 1\nsteps:\n      - raeson: prompts/x.md\n";
        let at = Place { line: 3, column: 9, len: 6 };
        let complaint = Complaint::new("W001", &"workflows/mail.yaml".into(), at, "unknown key `raeson` in a step")
            .hint("did you mean `reason`?");
        expect![[r#"
            workflows/mail.yaml:3:9: error[W001]: unknown key `raeson` in a step
                3 |       - raeson: prompts/x.md
                  |         ^^^^^^
               help: did you mean `reason`?
        "#]]
        .assert_eq(&complaint.render(Some(source)));
        assert_eq!(complaint.render(None).lines().count(), 2);
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let source = format!("{}here{}", "x".repeat(500), "y".repeat(500));
        let at = Place { line: 1, column: 501, len: 4 };
        let text = Complaint::new("Y001", &"f".into(), at, "m").render(Some(&source));
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].len() < 130);
        let start = lines[2].find('^').unwrap();
        assert_eq!(&lines[1][start..start + 4], "here");
    }

    #[test]
    fn places_outside_the_file_do_no_harm() {
        for (line, column, len) in [(1, 90, 3), (9, 1, 1), (1, 1, 5000)] {
            Complaint::new("Y001", &"f".into(), Place { line, column, len }, "m").render(Some("ab"));
        }
    }

    #[test]
    fn the_nearest_word_is_near() {
        let keys = ["reason", "see", "output", "when", "with", "act", "on_failure"];
        for (word, wanted) in [
            ("raeson", Some("reason")),
            ("Reason", Some("reason")),
            ("outptu", Some("output")),
            ("onfailure", Some("on_failure")),
            ("on_fail", Some("on_failure")),
            ("wehn", Some("when")),
            ("zebra", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, keys), wanted, "{word}");
        }
    }
}
