//! Tools that are reached by SQL: the database, its migrations, and for each operation a file of statements. Nothing here speaks
//! SQL; what can be seen without a database is checked: files, names of parameters, statements that would break a transaction.

mod scan;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use self::scan::{Scanned, scan};
use super::Reach;
use crate::{
    complaint::{Complaint, did_you_mean},
    governance::Effect,
    schema::Schema,
    types::{Property, Type},
    values::Value,
    workflow::{
        project::file_exists,
        reading::{Reading, place},
    },
    yaml::{Fields, Key, Node},
};

/// What an operation of an SQL tool does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlCall {
    /// The project's file of statements; they run in order, in one transaction.
    pub statement: Arc<str>,
    /// What the answer is made of; `None`: the number of rows that changed.
    pub rows: Option<Rows>,
}

/// How many rows the last statement that gives rows may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Exactly one: the answer is an object.
    One,
    /// One or none: an object, or none.
    Maybe,
    /// Any number: `{ rows: [ … ] }`.
    Many,
}

/// The one table of keys.
pub const KEY_TABLE: &str = "surefoot_key";

/// The folder of every SQL file.
const FOLDER: &str = "sql/";

/// Reads `sql: { database, migrations }`.
pub(super) fn reach(node: &Node, reading: &mut Reading<'_>) -> Option<Reach> {
    let fields = Fields::new(node, "`sql`", &["database", "migrations"], &["pool"], &mut reading.complaints)?;
    let database = fields.required("database", &mut reading.complaints)?;
    reading.enter([("env".into(), Type::Any)]);
    let template = reading.template(database);
    reading.leave();
    let (template, _) = template?;
    if template.roots().is_empty() {
        // What it comes to, however it is written.
        let path = template.eval(&[]).ok();
        let path = path.as_ref().and_then(Value::as_str).unwrap_or_default();
        if !stays_inside(path) {
            let message = format!("the database `{path}` is no path within the project");
            let hint =
                "write a path below the project's folder, as in `crm.db`, or leave it to the operator: `=env.NAME`";
            reading.complaints.push(database.complaint("W005", message).hint(hint));
            return None;
        }
    }
    let migrations = match fields.get("migrations") {
        Some(node) => migrations(node, reading)?,
        None => Vec::new(),
    };
    Some(Reach::Sql { database: template, migrations: migrations.into() })
}

/// A relative path of plain names: it names the same file on every system, and none outside.
pub fn stays_inside(path: &str) -> bool {
    let odd = |c: char| matches!(c, '\\' | ':' | '\0');
    !path.contains(odd) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// The files of the folder that `node` names, in the order of their numbers.
fn migrations(node: &Node, reading: &mut Reading<'_>) -> Option<Vec<Arc<str>>> {
    let folder = node.text(&mut reading.complaints)?;
    let folder = format!("{}/", folder.trim_end_matches('/'));
    if !folder.starts_with(FOLDER) {
        let message = format!("the folder of migrations `{folder}` is not below `sql/`");
        reading.complaints.push(node.complaint("W041", message).hint("write `migrations: sql/migrations`"));
        return None;
    }
    let files: Vec<_> =
        reading.sources.below(&folder, ".sql").map(|(path, text)| (path.clone(), text.clone())).collect();
    if files.is_empty() {
        let message = format!("the project has no migration in `{folder}`");
        reading.complaints.push(node.complaint("W012", message).hint(format!("write `{folder}001_begin.sql`")));
        return None;
    }
    let mut ordered: BTreeMap<u64, Arc<str>> = BTreeMap::new();
    let mut whole = true;
    for (path, text) in files {
        let complaint = |message: String| Complaint::new("W041", &path, None, message);
        let Some(number) = number(&path[folder.len()..]) else {
            let hint = "a migration is called by a number and a name, as in `001_begin.sql`, and stands in no folder of its own";
            let message = format!("`{path}` cannot name a migration");
            reading.complaints.push(complaint(message).hint(hint));
            whole = false;
            continue;
        };
        let Some(scanned) = scanned(&path, &text, reading) else {
            whole = false;
            continue;
        };
        if let Some(parameter) = scanned.parameters.first() {
            let message = format!("a migration has no arguments, and `:{}` wants one", parameter.name);
            let at = place(&text, parameter.offset, parameter.name.len() + 1);
            reading.complaints.push(Complaint::new("W040", &path, at, message));
            whole = false;
        }
        if let Some(other) = ordered.get(&number) {
            reading.complaints.push(complaint(format!("the migration {number} stands in `{other}` as well")));
            whole = false;
        }
        ordered.insert(number, path);
    }
    whole.then(|| ordered.into_values().collect())
}

/// `17` of `017_name.sql`.
fn number(name: &str) -> Option<u64> {
    let (digits, rest) = name.split_once('_')?;
    let plain = !name.contains('/') && rest.len() > ".sql".len() && digits.bytes().all(|c| c.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

fn scanned(path: &Arc<str>, text: &str, reading: &mut Reading<'_>) -> Option<Scanned> {
    match scan(text) {
        Ok(scanned) => Some(scanned),
        Err(fault) => {
            let at = place(text, fault.offset, fault.len);
            reading.complaints.push(Complaint::new("W041", path, at, fault.message).or_hint(fault.hint));
            None
        }
    }
}

/// Reads what an operation does, and compares its statements with its schemas.
pub(super) fn call(
    key: &Key,
    fields: &Fields<'_>,
    effect: Effect,
    (params, returns): (Option<&Schema>, Option<&Schema>),
    reading: &mut Reading<'_>,
) -> Option<SqlCall> {
    if !matches!(effect, Effect::Read | Effect::Idempotent) {
        let message = format!("the effect `{}` is not one of a database that keeps our key", effect.as_str());
        let hint = "write `effect: read`, or `effect: idempotent` with `key: { table: surefoot_key }`";
        reading.complaints.push(fields.node.complaint("W030", message).hint(hint));
        return None;
    }
    let rows = match fields.one_of("rows", &["one", "maybe", "many"], &mut reading.complaints) {
        Some("one") => Some(Rows::One),
        Some("maybe") => Some(Rows::Maybe),
        Some(_) => Some(Rows::Many),
        None if fields.has("rows") => return None,
        None => None,
    };
    if effect == Effect::Read && rows.is_none() {
        let message = format!("the reading operation `{}` does not say how many rows it gives", key.text);
        let hint = "write `rows: one`, `rows: maybe` or `rows: many`";
        reading.complaints.push(fields.node.complaint("W003", message).hint(hint));
    }
    key_table(key, fields, effect, reading)?;
    if let (Some(schema), Some(node)) = (returns, fields.get("returns"))
        && let Some(why) = misfit(rows, schema.ty())
    {
        reading.complaints.push(node.complaint("W040", format!("the answer does not fit: {why}")));
    }
    let node = fields.required("statement", &mut reading.complaints)?;
    let path = node.text(&mut reading.complaints)?;
    if !(path.starts_with(FOLDER) && path.ends_with(".sql")) {
        let message = format!("`{path}` is no file of statements");
        reading.complaints.push(node.complaint("W041", message).hint("they stand below `sql/` and end in `.sql`"));
        return None;
    }
    if !file_exists(reading.sources, node, &path, &mut reading.complaints) {
        return None;
    }
    let text = reading.sources.get(&path)?.clone();
    let scanned = scanned(&path, &text, reading)?;
    if let Some(params) = params {
        compare(&scanned, (&path, &text), params.ty(), fields, reading);
    }
    Some(SqlCall { statement: path, rows })
}

fn key_table(key: &Key, fields: &Fields<'_>, effect: Effect, reading: &mut Reading<'_>) -> Option<()> {
    if let Some(node) = fields.get("key") {
        let fields = Fields::new(node, "`key`", &["table"], &["window", "header"], &mut reading.complaints)?;
        let table = fields.required("table", &mut reading.complaints)?;
        table.one_of(&[KEY_TABLE], &mut reading.complaints)?;
        return Some(());
    }
    if effect == Effect::Idempotent {
        let message = format!("the idempotent operation `{}` does not say how it carries our key", key.text);
        let hint = "write `key: { table: surefoot_key }`: the key is kept in the same transaction as the change";
        reading.complaints.push(fields.node.complaint("W030", message).hint(hint));
        return None;
    }
    Some(())
}

/// Why an answer made of so many rows cannot be of this type.
fn misfit(rows: Option<Rows>, ty: &Type) -> Option<String> {
    let object = |ty: &Type| matches!(ty.present(), Type::Object { .. } | Type::Any | Type::Union(_));
    match rows {
        Some(Rows::Maybe) if !ty.accepts(&Type::Null) => {
            Some("`rows: maybe` may give none, and the schema does not let it: `type: [ object, \"null\" ]`".to_owned())
        }
        Some(Rows::Many) => match ty.property("rows") {
            Property::Found { ty: Type::List(_) | Type::Any | Type::Union(_), .. } => None,
            Property::Unknown => None,
            _ => Some("`rows: many` gives an object with a list `rows`, and the schema has none".to_owned()),
        },
        None => match ty.property("changed") {
            Property::Found { .. } | Property::Unknown => None,
            _ => Some(
                "without `rows` the answer is `{ changed }`, how many rows changed: the schema has no `changed`"
                    .to_owned(),
            ),
        },
        _ if !object(ty) => Some(format!("a row is an object, and the schema wants {ty}")),
        _ => None,
    }
}

/// Every parameter has a value, and every value a parameter.
fn compare(
    scanned: &Scanned,
    (path, text): (&Arc<str>, &str),
    with: &Type,
    fields: &Fields<'_>,
    reading: &mut Reading<'_>,
) {
    let schema = fields.get("params").and_then(Node::scalar).cloned().unwrap_or_default();
    let (known, open) = match with.present() {
        Type::Object { fields, open } => (fields, open),
        Type::Any | Type::Union(_) => return,
        other => {
            if let Some(node) = fields.get("params") {
                let message = format!("the arguments of SQL have names, and {schema} wants {other}");
                reading.complaints.push(node.complaint("W040", message));
            }
            return;
        }
    };
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for parameter in &scanned.parameters {
        let name = &*parameter.name;
        if !used.insert(name) || known.contains_key(name) || open {
            continue;
        }
        let at = place(text, parameter.offset, name.len() + 1);
        let message = format!("`:{name}` has no value: {schema} has no property `{name}`");
        let hint = did_you_mean(name, known.keys().map(|name| &**name));
        reading.complaints.push(Complaint::new("W040", path, at, message).or_hint(hint));
    }
    for name in known.keys().filter(|name| !used.contains(&***name)) {
        let Some(node) = fields.get("statement") else { return };
        let message = format!("the argument `{name}` of {schema} goes nowhere: {path} has no `:{name}`");
        let hint = format!("write `:{name}` where it belongs, or take it out of the schema");
        reading.complaints.push(node.complaint("W040", message).hint(hint));
    }
}
