//! What the rows of a table leave open and what they say twice: asked of one value from each region that their conditions divide the
//! inputs into.

use std::{collections::BTreeMap, sync::Arc};

use super::{Cell, Input, Table, number};
use crate::{complaint::Complaint, values::Value, yaml::Node};

/// So many regions are looked at; a table with more needs an `otherwise`, and is looked at when it runs.
const MOST: usize = 20_000;

/// What is wrong with the rows together.
pub(super) fn complaints(table: &Table, node: &Node) -> Vec<Complaint> {
    let of = |id, line: u32, message: String| {
        let at = crate::complaint::Place { line, column: 1, len: 1 };
        Complaint::new(id, &table.file, at, message)
    };
    let line = node.span.line;
    let Some(regions) = regions(table) else {
        if table.otherwise.is_some() {
            return Vec::new();
        }
        let message = "the table has too many regions to see that its rows cover all of them".to_owned();
        return vec![of("W224", line, message).hint("write `otherwise:`")];
    };
    let mut fires = vec![false; table.rows.len()];
    let mut overlaps: BTreeMap<(usize, usize), String> = BTreeMap::new();
    let mut gap = None;
    for values in regions {
        let matching: Vec<usize> =
            (0..table.rows.len()).filter(|number| table.rows[*number].matches(&values)).collect();
        match matching[..] {
            [] => gap = gap.or_else(|| Some(told(&values))),
            [first, ..] => fires[first] = true,
        }
        if let (true, [one, other, ..]) = (table.unique, &matching[..]) {
            overlaps.entry((*one, *other)).or_insert_with(|| told(&values));
        }
    }
    let mut found = Vec::new();
    for ((one, other), values) in overlaps {
        let (one, other) = (&table.rows[one], &table.rows[other]);
        let message =
            format!("rows `{}` and `{}` both match where {values}, and `hit: unique` lets one", one.id, other.id);
        found.push(of("W223", other.line, message));
    }
    if let (Some(values), None) = (gap, &table.otherwise) {
        let message = format!("no row matches where {values}");
        found.push(of("W224", line, message).hint("add a row, or write `otherwise:`"));
    }
    for row in table.rows.iter().zip(fires).filter(|(_, fires)| !fires && !table.unique).map(|(row, _)| row) {
        let message = format!("row `{}` never fires: the rows above match wherever it does", row.id);
        found.push(of("W225", row.line, message).warning());
    }
    found
}

fn told(values: &BTreeMap<Arc<str>, Value>) -> String {
    let each: Vec<String> = values.iter().map(|(name, value)| format!("{name} is {}", value.to_json())).collect();
    each.join(" and ")
}

/// One value of each input from each region; `None`: there are too many.
fn regions(table: &Table) -> Option<Vec<BTreeMap<Arc<str>, Value>>> {
    let mut all = vec![BTreeMap::new()];
    for (name, input) in &table.inputs {
        let cells: Vec<&Cell> = table.rows.iter().filter_map(|row| row.when.get(name)).collect();
        let samples = samples(input, &cells);
        if all.len().saturating_mul(samples.len()) > MOST {
            return None;
        }
        let with = |values: &BTreeMap<Arc<str>, Value>, sample: &Value| {
            let mut values = values.clone();
            values.insert(name.clone(), sample.clone());
            values
        };
        all = all.iter().flat_map(|values| samples.iter().map(move |sample| with(values, sample))).collect();
    }
    Some(all)
}

/// One value from each region that the cells divide an input into.
fn samples(input: &Input, cells: &[&Cell]) -> Vec<Value> {
    match input {
        Input::Boolean => vec![Value::Bool(false), Value::Bool(true)],
        Input::Enum(options) => options.iter().map(|option| Value::Text(option.clone())).collect(),
        Input::Text => {
            let mut texts: Vec<Arc<str>> = cells.iter().flat_map(named).filter_map(text).collect();
            texts.sort();
            texts.dedup();
            let other = (0..).map(|length| "another text".to_owned() + &"!".repeat(length));
            let mut other = other.filter(|text| !texts.iter().any(|one| **one == **text));
            let other = other.next().map(Value::from);
            texts.into_iter().map(Value::Text).chain(other).collect()
        }
        Input::Integer | Input::Number => numbers(cells, *input == Input::Integer),
    }
}

fn text(value: &Value) -> Option<Arc<str>> {
    if let Value::Text(text) = value { Some(text.clone()) } else { None }
}

fn named<'c>(cell: &&'c Cell) -> &'c [Value] {
    match cell {
        Cell::In(values) | Cell::NotIn(values) => values,
        Cell::Between { .. } => &[],
    }
}

/// Each number that a cell names, one between each two of them, one below and one above all.
fn numbers(cells: &[&Cell], whole: bool) -> Vec<Value> {
    let mut at: Vec<f64> = cells.iter().flat_map(named).filter_map(number).collect();
    for cell in cells {
        if let Cell::Between { least, most } = cell {
            at.extend([least, most].into_iter().flatten().map(|(number, _)| *number));
        }
    }
    at.sort_by(f64::total_cmp);
    at.dedup();
    let (Some(first), Some(last)) = (at.first().copied(), at.last().copied()) else { return vec![Value::Int(0)] };
    let mut all = vec![first - 1.0, last + 1.0];
    for pair in at.windows(2) {
        all.push(if whole { pair[0].floor() + 1.0 } else { f64::midpoint(pair[0], pair[1]) });
    }
    all.extend(at);
    if whole {
        // A bound may stand between two whole numbers: those beside it are in its regions.
        all = all.into_iter().flat_map(|number| [number.floor(), number.ceil()]).collect();
    }
    all.sort_by(f64::total_cmp);
    all.dedup();
    all.into_iter().map(of_number).collect()
}

fn of_number(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is within 2^53")]
    if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
        return Value::Int(number as i64);
    }
    Value::Float(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(least: Option<f64>, most: Option<f64>) -> Cell {
        Cell::Between { least: least.map(|at| (at, true)), most: most.map(|at| (at, false)) }
    }

    #[test]
    fn each_region_of_numbers_is_looked_at() {
        let ints =
            |cells: &[&Cell]| -> Vec<String> { numbers(cells, true).iter().map(|value| value.to_json()).collect() };
        assert_eq!(ints(&[]), ["0"]);
        assert_eq!(ints(&[&between(Some(10.0), Some(12.0))]), ["9", "10", "11", "12", "13"]);
        assert_eq!(ints(&[&between(Some(10.0), Some(11.0))]), ["9", "10", "11", "12"]);
        assert_eq!(ints(&[&between(Some(0.5), None)]), ["-1", "0", "1", "2"]);
        let floats = numbers(&[&Cell::In(vec![Value::Int(1), Value::Int(2)])], false);
        assert_eq!(floats, [Value::Int(0), Value::Int(1), Value::Float(1.5), Value::Int(2), Value::Int(3)]);
    }
}
