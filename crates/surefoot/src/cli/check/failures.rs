//! `check --failures`.

use std::sync::Arc;

use kernel::{
    foresee::{
        Around,
        table::{self, Row},
    },
    workflow::{Program, project::Project},
};
use serde_json::{Value, json};

/// For each workflow what can fail, what is tried and where that is written.
pub(super) fn text(project: &Project, programs: &[&Arc<Program>]) -> String {
    let around = Around::of(project);
    let mut out = String::new();
    for program in programs {
        out.push_str(&format!("{} ({})\n", program.name, program.file));
        let rows = table::rows(program, &around);
        let kinds = rows.iter().map(|row| row.kind.as_str().len()).max().unwrap_or_default();
        let tried = rows.iter().map(|row| shown(row).chars().count()).max().unwrap_or_default();
        let mut last = None;
        for row in &rows {
            if last != Some(&row.step) {
                out.push_str(&format!("  {} / {}  {}\n", row.stage, row.step, row.does));
                let before = rows.iter().filter(|one| one.step == row.step).find_map(|one| one.before);
                before.iter().for_each(|before| out.push_str(&format!("    {before}\n")));
                last = Some(&row.step);
            }
            let (kind, what, from) = (row.kind.as_str(), shown(row), row.from.says(&program.file));
            out.push_str(&format!("    {kind:kinds$}  {what:tried$}  {from}\n"));
        }
    }
    out.push_str("  A call of which nothing was sent is retried where no list says otherwise, whatever the kind.\n");
    out
}

fn shown(row: &Row) -> String {
    let tried: Vec<&str> = row.tried.iter().map(String::as_str).chain([row.end]).collect();
    tried.join(" → ")
}

/// The same, by the name of the workflow.
pub(super) fn json(project: &Project, programs: &[&Arc<Program>]) -> Value {
    let around = Around::of(project);
    let mut all = serde_json::Map::new();
    for program in programs {
        let rows: Vec<Value> = table::rows(program, &around).iter().map(|row| one(row, program)).collect();
        all.insert(program.name.to_string(), rows.into());
    }
    all.into()
}

fn one(row: &Row, program: &Program) -> Value {
    let (from, at) = match &row.from {
        table::From::Step(at) => ("step", Some(at)),
        table::From::Stage(at) => ("stage", Some(at)),
        table::From::Workflow(at) => ("workflow", Some(at)),
        table::From::Default => ("default", None),
    };
    json!({
        "stage": row.stage,
        "step": row.step,
        "does": row.does,
        "kind": row.kind,
        "tried": row.tried,
        "from": from,
        "file": at.map(|_| &program.file),
        "line": at.map(|at| at.line),
        "before": row.before,
        "end": row.end,
    })
}
