//! Values into statements, and columns back into values.

use kernel::{
    schema::Schema,
    types::{Property, Type},
    values::{MAX_INT, Value},
};
use rusqlite::{
    Statement,
    types::{ToSqlOutput, ValueRef},
};

/// Why arguments cannot be bound.
#[derive(Debug)]
pub(super) enum Unbound {
    /// Parameters and arguments do not belong together.
    Arguments(String),
    /// The database refused.
    Database(rusqlite::Error),
}

/// Binds the arguments that `statement` names; `used` learns which.
pub(super) fn bind(
    statement: &mut Statement<'_>,
    with: &Value,
    params: Option<&Schema>,
    used: &mut Vec<String>,
) -> Result<(), Unbound> {
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).and_then(|name| name.strip_prefix(':')).map(str::to_owned);
        let Some(name) = name else {
            return Err(Unbound::Arguments(format!("parameter {index} has no name of the form `:name`")));
        };
        let declared = params.map(|schema| schema.ty().present().property(&name));
        let value = match (with.get(&name), &declared) {
            (Some(value), _) => value,
            // May be left out, and was.
            (None, Some(Property::Found { .. })) => &Value::Null,
            (None, _) => return Err(Unbound::Arguments(format!("there is no argument for `:{name}`"))),
        };
        let number = matches!(&declared, Some(Property::Found { ty, .. }) if ty.present() == Type::Number);
        statement.raw_bind_parameter(index, cell(value, number)).map_err(Unbound::Database)?;
        used.push(name);
    }
    Ok(())
}

/// An argument that no statement used would be lost without a word.
pub(super) fn all_used(with: &Value, used: &[String]) -> Result<(), String> {
    match with {
        Value::Null => Ok(()),
        Value::Map(map) => match map.keys().find(|name| !used.iter().any(|used| **used == ***name)) {
            Some(name) => Err(format!("no statement uses the argument `{name}`")),
            None => Ok(()),
        },
        other => Err(format!("the arguments of SQL have names, and these are {}", other.kind())),
    }
}

/// A schema that says `number` means one with a fraction, even where there is none: 5 / 2 shall be 2.5.
#[expect(clippy::cast_precision_loss, reason = "whole numbers of ours stay below 2^53")]
fn cell(value: &Value, number: bool) -> ToSqlOutput<'_> {
    use rusqlite::types::Value as Owned;
    match value {
        Value::Null => ToSqlOutput::Owned(Owned::Null),
        Value::Bool(value) => ToSqlOutput::Owned(Owned::Integer((*value).into())),
        Value::Int(value) if number => ToSqlOutput::Owned(Owned::Real(*value as f64)),
        Value::Int(value) => ToSqlOutput::Owned(Owned::Integer(*value)),
        Value::Float(value) => ToSqlOutput::Owned(Owned::Real(*value)),
        Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        Value::List(_) | Value::Map(_) => ToSqlOutput::Owned(Owned::Text(value.to_json())),
    }
}

/// How a column is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Plain,
    Bool,
    Json,
}

/// What the schema of an answer says about a column: `row` is the type of one row.
pub(super) fn column(row: &Type, name: &str) -> Column {
    let Property::Found { ty, .. } = row.present().property(name) else { return Column::Plain };
    match ty.present() {
        Type::Bool => Column::Bool,
        Type::Object { .. } | Type::List(_) => Column::Json,
        Type::Union(members) => {
            let structured = |ty: &Type| matches!(ty.present(), Type::Object { .. } | Type::List(_) | Type::Null);
            if members.iter().all(structured) { Column::Json } else { Column::Plain }
        }
        _ => Column::Plain,
    }
}

/// A cell as a value, or why not.
pub(super) fn value(cell: ValueRef<'_>, column: Column) -> Result<Value, String> {
    match (cell, column) {
        (ValueRef::Null, _) => Ok(Value::Null),
        (ValueRef::Integer(number @ (0 | 1)), Column::Bool) => Ok(Value::Bool(number == 1)),
        (ValueRef::Integer(number), _) if number.unsigned_abs() <= MAX_INT.unsigned_abs() => Ok(Value::Int(number)),
        // JSON carries no more; a text keeps every digit.
        (ValueRef::Integer(number), _) => Ok(Value::text(number.to_string())),
        (ValueRef::Real(number), _) => Value::number(number).ok_or_else(|| format!("{number} is no number of JSON")),
        (ValueRef::Text(bytes), Column::Json) => {
            Value::from_json(bytes).map_err(|error| format!("its text is no JSON of ours: {error}"))
        }
        (ValueRef::Text(bytes), _) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::text(text)),
            Err(_) => Err("its text is not UTF-8".to_owned()),
        },
        (ValueRef::Blob(bytes), _) => {
            Err(format!("it holds {} bytes that are no text: select `hex(…)` of it", bytes.len()))
        }
    }
}
