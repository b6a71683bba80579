//! `check --cost`.

use std::sync::Arc;

use kernel::{
    foresee::{Around, cost},
    governance::budget::{Amounts, Unit},
    workflow::{Program, project::Project},
};
use serde_json::{Value, json};

/// For each workflow what a run costs at most, step by step.
pub(super) fn text(project: &Project, programs: &[&Arc<Program>]) -> String {
    let around = Around::of(project);
    let mut out = String::new();
    for program in programs {
        let (lines, sum) = cost::lines(program, &around);
        out.push_str(&format!("{} ({})\n", program.name, program.file));
        let names: Vec<String> = lines.iter().map(|line| format!("{} / {}", line.stage, line.step)).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default().max(7);
        for (line, name) in lines.iter().zip(&names) {
            let times = if line.times == 1 { String::new() } else { format!(", {} times", line.times) };
            let (calls, sendings) = (&line.calls, line.sendings);
            out.push_str(&format!("  {name:width$}  {}  {calls}, up to {sendings} sent{times}\n", amounts(&line.all)));
            line.open.iter().for_each(|open| out.push_str(&format!("  {:width$}  not bounded: {open}\n", "")));
        }
        let more = if lines.iter().any(|line| !line.open.is_empty()) { " or more" } else { "" };
        out.push_str(&format!("  {:width$}  {}{more}\n", "at most", amounts(&sum)));
        if let Some(budget) = &program.budget {
            let limits: Vec<String> = budget.limited().map(|(unit, limit)| unit.show(limit).to_string()).collect();
            out.push_str(&format!("  {:width$}  {}\n", "budget", limits.join(", ")));
        }
    }
    out.push_str("  What people let begin again, and what a return to a checkpoint does again, comes on top.\n");
    out
}

fn amounts(amounts: &Amounts) -> String {
    let units = [Unit::Money, Unit::Tokens, Unit::Calls];
    units.map(|unit| unit.show(amounts.get(unit)).to_string()).join(", ")
}

/// The same, by the name of the workflow.
pub(super) fn json(project: &Project, programs: &[&Arc<Program>]) -> Value {
    let around = Around::of(project);
    let mut all = serde_json::Map::new();
    for program in programs {
        let (lines, sum) = cost::lines(program, &around);
        let lines: Vec<Value> = lines
            .iter()
            .map(|line| {
                json!({
                    "stage": line.stage, "step": line.step, "calls": line.calls, "sendings": line.sendings,
                    "times": line.times, "each": line.each, "all": line.all, "not_bounded": line.open,
                })
            })
            .collect();
        all.insert(program.name.to_string(), json!({ "steps": lines, "at_most": sum, "budget": program.budget }));
    }
    all.into()
}
