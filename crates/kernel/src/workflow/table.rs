//! Decision tables: files in `decisions/` that several workflows may decide by. Conditions are written so narrowly that overlaps, gaps
//! and rows that never fire are found before any run.

mod cover;

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    complaint::{Complaint, did_you_mean},
    schema::Schema,
    types::Type,
    values::Value,
    workflow::{project::file_exists, reading::Reading},
    yaml::{self, Fields, Kind, Node},
};

/// One table.
#[derive(Debug)]
pub struct Table {
    /// Its file within the project.
    pub file: Arc<str>,
    /// What it decides on, by name.
    pub inputs: BTreeMap<Arc<str>, Input>,
    /// At most one row may match; otherwise the first one counts.
    pub unique: bool,
    /// In the order written.
    pub rows: Vec<Row>,
    /// What follows if no row matches; `None`: one always does.
    pub otherwise: Option<Outcome>,
    /// Of what type the values are that it gives; `None`: it chooses stages.
    pub gives: Option<Type>,
}

/// What an input may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// One of these texts.
    Enum(Arc<[Arc<str>]>),
}

/// One row.
#[derive(Debug)]
pub struct Row {
    /// Its name, or its number.
    pub id: Arc<str>,
    /// Where it begins.
    pub line: u32,
    /// What it asks of each input; of one that is not named, nothing.
    pub when: BTreeMap<Arc<str>, Cell>,
    /// What it comes to.
    pub outcome: Outcome,
}

/// What a row asks of one input.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// One of these.
    In(Vec<Value>),
    /// None of these.
    NotIn(Vec<Value>),
    /// A number between these.
    Between {
        /// Not below, and whether it may be that itself.
        least: Option<(f64, bool)>,
        /// Not above, and whether it may be that itself.
        most: Option<(f64, bool)>,
    },
}

/// What a row comes to.
#[derive(Debug)]
pub enum Outcome {
    /// These stages, as they stand in the file; empty for `next`.
    Then(Vec<Node>),
    /// This value.
    Gives(Value),
}

/// Values that a table gives have at most so many bytes of canonical JSON: they stand in the journal.
const MOST: usize = 8 * 1024;

impl Input {
    /// Of what type it is.
    pub fn ty(&self) -> Type {
        match self {
            Input::Text => Type::TEXT,
            Input::Integer => Type::Int,
            Input::Number => Type::Number,
            Input::Boolean => Type::Bool,
            Input::Enum(options) => Type::Text { options: Some(options.clone()) },
        }
    }

    fn says(&self) -> String {
        match self {
            Input::Text => "a text".to_owned(),
            Input::Integer => "a whole number".to_owned(),
            Input::Number => "a number".to_owned(),
            Input::Boolean => "true or false".to_owned(),
            Input::Enum(options) => format!("one of {}", options.join(", ")),
        }
    }

    /// Whether a value is one.
    pub fn admits(&self, value: &Value) -> bool {
        match (self, value) {
            (Input::Text, Value::Text(_)) | (Input::Integer, Value::Int(_)) | (Input::Boolean, Value::Bool(_)) => true,
            (Input::Number, Value::Int(_) | Value::Float(_)) => true,
            (Input::Enum(options), Value::Text(text)) => options.contains(text),
            _ => false,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Input::Integer | Input::Number)
    }
}

/// A number as the tables compare it: whole numbers up to 2^53 are exact.
fn number(value: &Value) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "no whole number of a value is beyond 2^53")]
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

fn same(one: &Value, other: &Value) -> bool {
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.total_cmp(&other).is_eq(),
        _ => one == other,
    }
}

impl Cell {
    /// Whether a value is what it asks for.
    pub fn holds(&self, value: &Value) -> bool {
        match self {
            Cell::In(all) => all.iter().any(|one| same(one, value)),
            Cell::NotIn(all) => !all.iter().any(|one| same(one, value)),
            Cell::Between { least, most } => number(value).is_some_and(|number| {
                least.is_none_or(|(least, itself)| number > least || (itself && number >= least))
                    && most.is_none_or(|(most, itself)| number < most || (itself && number <= most))
            }),
        }
    }
}

impl Row {
    /// Whether it matches.
    pub fn matches(&self, values: &BTreeMap<Arc<str>, Value>) -> bool {
        self.when.iter().all(|(name, cell)| values.get(name).is_some_and(|value| cell.holds(value)))
    }
}

impl Table {
    /// The row that decides, by its number; `None`: none matches.
    ///
    /// # Errors
    /// An input is not what it must be, two rows match where one may, or none does and nothing is said about that; one sentence.
    pub fn decide(&self, values: &BTreeMap<Arc<str>, Value>) -> Result<Option<usize>, String> {
        for (name, input) in &self.inputs {
            let value = values.get(name).cloned().unwrap_or_default();
            if !input.admits(&value) {
                let shown = crate::story::short(&value);
                return Err(format!("`{name}` of {} is {}, and {shown} is not", self.file, input.says()));
            }
        }
        let mut matching = (0..).zip(&self.rows).filter(|(_, row)| row.matches(values));
        let first = matching.next();
        if let (true, Some((_, one)), Some((_, other))) = (self.unique, first, matching.next()) {
            return Err(format!("rows `{}` and `{}` of {} both match, and one may", one.id, other.id, self.file));
        }
        match (first, &self.otherwise) {
            (None, None) => Err(format!("no row of {} matches", self.file)),
            (first, _) => Ok(first.map(|(number, _)| number)),
        }
    }
}

/// The table that a path names; read once, however many steps decide by it.
pub(crate) fn load(node: &Node, reading: &mut Reading<'_>) -> Option<Arc<Table>> {
    let path = node.text(&mut reading.complaints)?;
    if let Some(known) = reading.tables.get(&path) {
        return known.clone();
    }
    if !path.starts_with("decisions/") {
        // Only what stands in that folder is frozen with the project.
        reading.complaints.push(node.expected("a file in decisions/"));
        return None;
    }
    let there = file_exists(reading.sources, node, &path, &mut reading.complaints);
    let table = if there { read_file(&path, reading) } else { None };
    reading.tables.insert(path, table.clone());
    table
}

/// Tables that nothing names are read all the same: a mistake in them is a mistake.
pub(crate) fn check_unused(reading: &mut Reading<'_>) {
    let paths: Vec<Arc<str>> = reading.sources.below("decisions/", ".yaml").map(|(path, _)| path.clone()).collect();
    for path in paths {
        if !reading.tables.contains_key(&path) {
            let table = read_file(&path, reading);
            reading.tables.insert(path, table);
        }
    }
}

fn read_file(path: &Arc<str>, reading: &mut Reading<'_>) -> Option<Arc<Table>> {
    let text = reading.sources.get(path)?.clone();
    let node = reading.complaints.take(yaml::parse(path, &text))?;
    let before = reading.complaints.len();
    let table = read(path, &node, reading)?;
    if reading.complaints.len() == before {
        let found = cover::complaints(&table, &node);
        let wrong = found.iter().any(|one| one.severity == crate::complaint::Severity::Error);
        reading.complaints.extend(found);
        return (!wrong).then(|| Arc::new(table));
    }
    None
}

const KEYS: [&str; 5] = ["inputs", "hit", "output", "rows", "otherwise"];

fn read(path: &Arc<str>, node: &Node, reading: &mut Reading<'_>) -> Option<Table> {
    let fields = Fields::new(node, "a decision table", &KEYS, &[], &mut reading.complaints)?;
    let mut inputs = BTreeMap::new();
    fields.required("inputs", &mut reading.complaints);
    for (key, node) in fields.map("inputs", &mut reading.complaints) {
        if let Some(input) = input(node, reading) {
            inputs.insert(key.text.clone(), input);
        }
    }
    let unique = fields.one_of("hit", &["first", "unique"], &mut reading.complaints) == Some("unique");
    let output = match fields.get("output") {
        Some(node) => Some(reading.schema(node)?),
        None => None,
    };
    let mut rows: Vec<Row> = Vec::new();
    let nodes = fields.required("rows", &mut reading.complaints)?.list(&mut reading.complaints)?;
    for (number, node) in (1..).zip(nodes) {
        let Some(row) = row(number, node, &inputs, output.as_deref(), reading) else { continue };
        if rows.iter().any(|other| other.id == row.id) {
            reading.complaints.push(node.complaint("W021", format!("there is a row `{}` already", row.id)));
        }
        rows.push(row);
    }
    let otherwise = match fields.get("otherwise") {
        None => None,
        Some(node) => {
            let fields = Fields::new(node, "`otherwise`", &["then", "gives"], &[], &mut reading.complaints)?;
            Some(outcome(node, &fields, output.as_deref(), reading)?)
        }
    };
    let outcomes: Vec<&Outcome> = rows.iter().map(|row| &row.outcome).chain(&otherwise).collect();
    let given: Vec<&Value> =
        outcomes.iter().filter_map(|one| if let Outcome::Gives(value) = one { Some(value) } else { None }).collect();
    if !given.is_empty() && given.len() < outcomes.len() {
        let message = "some rows give a value and others choose stages";
        reading.complaints.push(node.complaint("W220", message).hint("write `gives` in each row, or `then` in each"));
        return None;
    }
    let gives = match &output {
        Some(schema) => Some(schema.ty().clone()),
        None => given.iter().map(|value| Type::of(value)).reduce(Type::join),
    };
    if output.is_some() && given.is_empty() {
        let message = "`output` says what values fit, and no row gives one";
        reading.complaints.push(node.complaint("W220", message));
    }
    Some(Table { file: path.clone(), inputs, unique, rows, otherwise, gives })
}

fn input(node: &Node, reading: &mut Reading<'_>) -> Option<Input> {
    if matches!(node.kind, Kind::Map(_)) {
        let fields = Fields::new(node, "an input", &["enum"], &[], &mut reading.complaints)?;
        let options = fields.required("enum", &mut reading.complaints)?.texts(&mut reading.complaints)?;
        return Some(Input::Enum(options.into()));
    }
    Some(match node.one_of(&["text", "integer", "number", "boolean"], &mut reading.complaints)? {
        "text" => Input::Text,
        "integer" => Input::Integer,
        "number" => Input::Number,
        _ => Input::Boolean,
    })
}

fn row(
    number: u32,
    node: &Node,
    inputs: &BTreeMap<Arc<str>, Input>,
    output: Option<&Schema>,
    reading: &mut Reading<'_>,
) -> Option<Row> {
    let fields = Fields::new(node, "a row", &["id", "when", "then", "gives"], &[], &mut reading.complaints)?;
    let id = fields.opt_text("id", &mut reading.complaints).unwrap_or_else(|| number.to_string().into());
    let mut when = BTreeMap::new();
    for (key, node) in fields.map("when", &mut reading.complaints) {
        let Some(input) = inputs.get(&key.text) else {
            let hint = did_you_mean(&key.text, inputs.keys().map(|name| &**name));
            let message = format!("the table has no input `{}`", key.text);
            reading.complaints.push(Complaint::new("W222", &node.file, key.span, message).or_hint(hint));
            continue;
        };
        if let Some(cell) = cell(node, input, reading) {
            when.insert(key.text.clone(), cell);
        }
    }
    let outcome = outcome(node, &fields, output, reading)?;
    Some(Row { id, line: node.span.line, when, outcome })
}

fn cell(node: &Node, input: &Input, reading: &mut Reading<'_>) -> Option<Cell> {
    let Kind::Map(_) = &node.kind else { return values(node, input, reading).map(Cell::In) };
    let keys = ["not", "at_least", "at_most", "above", "below"];
    let fields = Fields::new(node, "a condition", &keys, &[], &mut reading.complaints)?;
    if let Some(not) = fields.get("not") {
        if fields.entries().len() > 1 {
            let message = "`not` stands alone: two rows say what one cannot";
            reading.complaints.push(node.complaint("W222", message));
        }
        return values(not, input, reading).map(Cell::NotIn);
    }
    if !input.is_number() || fields.entries().is_empty() {
        let message =
            format!("only a number is at least, at most, above or below another; this input is {}", input.says());
        reading.complaints.push(node.complaint("W222", message));
        return None;
    }
    let mut bound = |itself: &str, beyond: &str| {
        let (key, itself) = if fields.has(itself) { (itself, true) } else { (beyond, false) };
        fields.get(key).and_then(|node| node.number(&mut reading.complaints)).map(|number| (number, itself))
    };
    let (least, most) = (bound("at_least", "above"), bound("at_most", "below"));
    let twice = [("at_least", "above"), ("at_most", "below")].into_iter().find(|(a, b)| fields.has(a) && fields.has(b));
    if let Some((one, other)) = twice {
        reading.complaints.push(node.complaint("W222", format!("`{one}` and `{other}` say the same bound twice")));
        return None;
    }
    Some(Cell::Between { least, most })
}

/// One value, or a list of them.
fn values(node: &Node, input: &Input, reading: &mut Reading<'_>) -> Option<Vec<Value>> {
    let nodes = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut values = Vec::new();
    for node in nodes {
        let value = reading.complaints.take(node.to_value())?;
        if !input.admits(&value) {
            let message = format!("this input is {}, never {}", input.says(), value.to_json());
            let hint = match (input, node.scalar()) {
                (Input::Enum(options), Some(text)) => did_you_mean(text, options.iter().map(|one| &**one)),
                _ => None,
            };
            reading.complaints.push(node.complaint("W222", message).or_hint(hint));
            return None;
        }
        values.push(value);
    }
    Some(values)
}

fn outcome(node: &Node, fields: &Fields<'_>, output: Option<&Schema>, reading: &mut Reading<'_>) -> Option<Outcome> {
    match (fields.get("then"), fields.get("gives")) {
        (Some(then), None) => Some(Outcome::Then(match &then.kind {
            Kind::Scalar { text, .. } if &**text == "next" => Vec::new(),
            Kind::List(items) => items.clone(),
            _ => vec![then.clone()],
        })),
        (None, Some(gives)) => {
            let value = reading.complaints.take(gives.to_value())?;
            if let Some(Err(wrong)) = output.map(|schema| schema.validate(&value)) {
                let message = format!("the value does not fit `output`: {}", wrong.join("; "));
                reading.complaints.push(gives.complaint("W220", message));
                return None;
            }
            if value.to_jcs().len() > MOST {
                reading.complaints.push(gives.complaint("W220", format!("a table gives at most {MOST} bytes")));
                return None;
            }
            Some(Outcome::Gives(value))
        }
        _ => {
            let message = "a row says either what it gives or which stages follow";
            reading.complaints.push(node.complaint("W220", message).hint("write `gives: …` or `then: …`"));
            None
        }
    }
}
