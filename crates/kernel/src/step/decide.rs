//! `decide`: a deterministic branch. `Decided` closes it, unless it chose stages: then they run inside it, and it closes by
//! itself with the last of them.

use std::sync::Arc;

use crate::{
    complaint::Complaint,
    expr::{Condition, Template},
    ids::StepPath,
    journal::{Event, TableRow},
    next::{Frame, Stop, Walk},
    recovery::{Failure, FailureKind},
    types::Type,
    values::{Map, Value},
    workflow::{
        reading::Reading,
        table::{self, Outcome, Table},
    },
    yaml::{Fields, Kind, Node},
};

/// `decide: [ { when, then }, … ]`, `otherwise`.
#[derive(Debug)]
pub struct Decide {
    /// The first one whose condition holds wins.
    pub rules: Vec<Rule>,
    /// What follows if none holds; empty for `next`.
    pub otherwise: Vec<Arc<str>>,
    /// A table in a file of its own, in the place of rules.
    pub table: Option<Tabled>,
}

/// `decide: decisions/….yaml`, `with`.
#[derive(Debug)]
pub struct Tabled {
    /// The table.
    pub table: Arc<Table>,
    /// Its inputs, by name.
    pub with: Template,
    /// The stages that each row chooses, in order; empty for `next`, and where rows give values.
    pub then: Vec<Vec<Arc<str>>>,
}

/// One line of a `decide`.
#[derive(Debug)]
pub struct Rule {
    /// When it fires.
    pub when: Condition,
    /// The stages it chooses, in order; empty for `next`.
    pub then: Vec<Arc<str>>,
}

/// Values longer than this are recorded by their digest.
const SHOWN: usize = 512;

impl Decide {
    pub(crate) fn begin(&self, walk: &mut Walk<'_>, path: &StepPath, frame: &Frame<'_>) -> Result<(), Stop> {
        if let Some(tabled) = &self.table {
            return self.by_table(tabled, walk, path, frame);
        }
        let mut saw = Map::new();
        let (mut fired, mut then) = (None, &self.otherwise);
        for (number, rule) in (0_u32..).zip(&self.rules) {
            let roots = rule.when.roots();
            let values = walk.gather(roots, frame)?;
            for (root, value) in roots.iter().zip(values) {
                saw.entry(root.name.clone()).or_insert_with(|| shown(value));
            }
            if walk.holds(&rule.when, frame)? {
                (fired, then) = (Some(number), &rule.then);
                break;
            }
        }
        once(walk, then)?;
        walk.record(Event::Decided {
            step: path.clone(),
            rule: fired,
            saw: Value::Map(Arc::new(saw)),
            then: then.clone(),
            by: None,
        });
        Ok(())
    }

    fn by_table(&self, tabled: &Tabled, walk: &mut Walk<'_>, path: &StepPath, frame: &Frame<'_>) -> Result<(), Stop> {
        let violated = |detail| Stop::Failed(Failure::inside(FailureKind::ContractViolated, detail));
        let Value::Map(values) = walk.evaluate(&tabled.with, frame)? else {
            return Err(violated(format!("`with` of `{path}` is no map")));
        };
        let table = &tabled.table;
        let fired = table.decide(&values).map_err(violated)?;
        let row = fired.map(|number| (&table.rows[number], &tabled.then[number]));
        let then = row.map_or(&self.otherwise, |(_, then)| then);
        once(walk, then)?;
        let outcome = row.map(|(row, _)| &row.outcome).or(table.otherwise.as_ref());
        let gives = if let Some(Outcome::Gives(value)) = outcome { value.clone() } else { Value::Null };
        let by = TableRow {
            table: table.file.clone(),
            row: row.map(|(row, _)| row.id.clone()),
            line: row.map(|(row, _)| row.line),
            gives,
        };
        walk.record(Event::Decided {
            step: path.clone(),
            rule: fired.and_then(|number| u32::try_from(number).ok()),
            saw: Value::map(values.iter().map(|(name, value)| (name.clone(), shown(value.clone())))),
            then: then.clone(),
            by: Some(Box::new(by)),
        });
        Ok(())
    }

    /// The stages of each way that it may take.
    pub fn ways(&self) -> impl Iterator<Item = &Vec<Arc<str>>> {
        let rows = self.table.iter().flat_map(|tabled| &tabled.then);
        self.rules.iter().map(|rule| &rule.then).chain(rows).chain([&self.otherwise])
    }

    /// Each way but `otherwise`, with when it is taken, in words.
    pub fn told(&self) -> Vec<(String, &[Arc<str>])> {
        let rules = self.rules.iter().map(|rule| (rule.when.source().to_owned(), rule.then.as_slice()));
        let rows = self.table.iter().filter(|tabled| tabled.table.gives.is_none()).flat_map(|tabled| {
            let ids = tabled.table.rows.iter().map(|row| format!("row {}", row.id));
            ids.zip(tabled.then.iter().map(Vec::as_slice))
        });
        rules.chain(rows).collect()
    }
}

/// A stage runs once.
fn once(walk: &Walk<'_>, then: &[Arc<str>]) -> Result<(), Stop> {
    let Some(again) = then.iter().find(|stage| walk.state.began.contains(*stage)) else { return Ok(()) };
    let detail = format!("stage `{again}` ran already: a stage runs once");
    Err(Stop::Failed(Failure::inside(FailureKind::ContractViolated, detail)))
}

/// A value as a record shows it: a long one by its digest.
pub(crate) fn shown(value: Value) -> Value {
    let text = value.to_jcs();
    if text.len() <= SHOWN { value } else { Value::from(format!("sha256:{}", value.digest())) }
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 3] = ["decide", "otherwise", "with"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Decide, Type)> {
    let node = fields.get("decide")?;
    if node.scalar().is_some() {
        return tabled(node, fields, reading);
    }
    if let Some(key) = fields.key("with") {
        let message = "`with` gives a table its inputs, and the rules stand here";
        reading.complaints.push(Complaint::new("W221", &node.file, key.span, message));
    }
    let items = node.list(&mut reading.complaints)?;
    let mut rules = Vec::new();
    for item in items {
        let Some(fields) = Fields::new(item, "a rule", &["when", "then"], &[], &mut reading.complaints) else {
            continue;
        };
        let when = fields.required("when", &mut reading.complaints).and_then(|node| reading.condition(node));
        let then = fields.required("then", &mut reading.complaints).and_then(|node| targets(node, reading));
        if let (Some(when), Some(then)) = (when, then) {
            rules.push(Rule { when, then });
        }
    }
    let otherwise = match fields.get("otherwise") {
        Some(node) => targets(node, reading)?,
        None => {
            let message = "a `decide` says what follows if no rule fires";
            reading.complaints.push(node.complaint("W003", message).hint("write `otherwise: next` or name a stage"));
            return None;
        }
    };
    let ty = Type::object([("rule", Type::Int.maybe()), ("then", Type::list(Type::TEXT))]);
    Some((Decide { rules, otherwise, table: None }, ty))
}

/// `decide: decisions/….yaml`, `with`.
fn tabled(node: &Node, fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Decide, Type)> {
    let table = table::load(node, reading);
    if let Some(key) = fields.key("otherwise") {
        let message = "the table itself says what follows if no row matches";
        reading.complaints.push(Complaint::new("W221", &node.file, key.span, message).hint("write it in its file"));
    }
    let with = fields.required("with", &mut reading.complaints)?;
    with.map(&mut reading.complaints)?;
    let (template, ty) = reading.template(with)?;
    let table = table?;
    let wanted = Type::object(table.inputs.iter().map(|(name, input)| (name.clone(), input.ty())));
    if let Some(why) = wanted.refusal(&ty) {
        let message = format!("this does not fit the inputs of {}: {why}", table.file);
        let names: Vec<&str> = table.inputs.keys().map(|name| &**name).collect();
        reading.complaints.push(with.complaint("W221", message).hint(format!("it decides on {}", names.join(", "))));
        return None;
    }
    let before = reading.complaints.len();
    let mut stages = |outcome: &Outcome| match outcome {
        Outcome::Gives(_) => Vec::new(),
        Outcome::Then(nodes) if reading.bodies > 0 && !nodes.is_empty() => {
            let message = "a `decide` inside each, parallel or repeat cannot choose a stage, as this table does";
            reading.complaints.push(node.complaint("W022", message).hint("use a table that gives a value"));
            Vec::new()
        }
        Outcome::Then(nodes) => nodes.iter().filter_map(|node| reading.target(node)).collect(),
    };
    let then: Vec<Vec<Arc<str>>> = table.rows.iter().map(|row| stages(&row.outcome)).collect();
    let otherwise = table.otherwise.as_ref().map(&mut stages).unwrap_or_default();
    if reading.complaints.len() > before {
        return None;
    }
    let gives = table.gives.clone().unwrap_or(Type::Null);
    let ty = Type::object([
        ("rule", Type::Int.maybe()),
        ("row", Type::TEXT.maybe()),
        ("then", Type::list(Type::TEXT)),
        ("gives", gives),
    ]);
    Some((Decide { rules: Vec::new(), otherwise, table: Some(Tabled { table, with: template, then }) }, ty))
}

/// `next`, a stage, or a list of stages.
fn targets(node: &Node, reading: &mut Reading<'_>) -> Option<Vec<Arc<str>>> {
    let stages = match &node.kind {
        Kind::Scalar { text, .. } if &**text == "next" => return Some(Vec::new()),
        Kind::List(items) => items.iter().map(|item| reading.target(item)).collect(),
        Kind::Map(_) => {
            Fields::new(node, "`then`", &[], &["person"], &mut reading.complaints);
            None
        }
        Kind::Scalar { .. } => reading.target(node).map(|stage| vec![stage]),
    };
    if reading.bodies > 0 && stages.is_some() {
        let message = "a `decide` inside each, parallel or repeat cannot choose a stage";
        let hint = "use `next` here and guard the steps that follow with `when:`";
        reading.complaints.push(node.complaint("W022", message).hint(hint));
        return None;
    }
    stages
}
