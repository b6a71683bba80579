mod cost;
mod failures;
mod labels;

use std::{collections::BTreeSet, path::Path, sync::Arc};

use clap::Args;
use kernel::{
    complaint::{self, Complaint, Severity},
    step::Step,
    workflow::{
        Program,
        project::{Checked, Project, Sources},
    },
};
use serde_json::{Value, json};

use super::{
    Folder, Scene,
    out::{GOOD, count, paint, sorted},
};
use crate::{case, error::CliError, exit::Exit, project};

/// Find what is wrong in a project before it runs
///
/// Every complaint names file, line and column, and what was probably meant. Errors give exit code 3; warnings do not.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    folder: Folder,
    /// Print SARIF 2.1.0, for editors and code hosts
    #[arg(long, conflicts_with = "json")]
    sarif: bool,
    /// Print what each action's arguments carry (untrusted, private, …) and where it came in
    #[arg(long, conflicts_with = "sarif")]
    labels: bool,
    /// Print for each step what can fail there, what is tried in which order, where that is written, and the end of it; of one
    /// workflow, or of all
    #[arg(long, value_name = "WORKFLOW", num_args = 0..=1, default_missing_value = ALL, conflicts_with = "sarif")]
    failures: Option<String>,
    /// Print what a run costs at most, step by step, and compare it with the budget; of one workflow, or of all
    #[arg(long, value_name = "WORKFLOW", num_args = 0..=1, default_missing_value = ALL, conflicts_with = "sarif")]
    cost: Option<String>,
}

/// All workflows.
const ALL: &str = "";

/// The workflows that an option names.
fn named<'a>(project: &'a Project, name: &str) -> Result<Vec<&'a Arc<Program>>, CliError> {
    if name == ALL {
        return Ok(project.workflows.values().collect());
    }
    let Some(program) = project.workflows.get(name) else {
        let error = CliError::new(Exit::Usage, format!("there is no workflow `{name}`"));
        let hint = complaint::did_you_mean(name, project.workflows.keys().map(|name| &**name));
        return Err(match hint {
            Some(hint) => error.hint(hint),
            None => error,
        });
    };
    Ok(vec![program])
}

impl Check {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let folder = &self.folder.folder;
        let sources = project::read(folder, true)?;
        let mut checked = project::check(&sources);
        read_cases(&mut checked, &sources, folder);
        let exit = if checked.project.is_some() { Exit::Ok } else { Exit::Project };
        if self.sarif {
            scene.out.text(format!("{:#}\n", sorted(sarif(&checked.complaints))));
        } else if scene.out.json {
            let mut report = report(&checked, &sources);
            if let (true, Some(project)) = (self.labels, &checked.project) {
                report["labels"] = labels::json(project);
            }
            if let (Some(name), Some(project)) = (&self.failures, &checked.project) {
                report["failures"] = failures::json(project, &named(project, name)?);
            }
            if let (Some(name), Some(project)) = (&self.cost, &checked.project) {
                report["cost"] = cost::json(project, &named(project, name)?);
            }
            scene.out.object(&report);
        } else {
            if let (true, Some(project)) = (self.labels, &checked.project) {
                scene.out.text(labels::text(project));
            }
            if let (Some(name), Some(project)) = (&self.failures, &checked.project) {
                scene.out.text(failures::text(project, &named(project, name)?));
            }
            if let (Some(name), Some(project)) = (&self.cost, &checked.project) {
                scene.out.text(cost::text(project, &named(project, name)?));
            }
            print(scene, &checked, &sources, folder);
        }
        Ok(exit)
    }
}

/// Reads the cases as well: who checks wants to know. What runs does without them.
fn read_cases(checked: &mut Checked, sources: &Sources, folder: &Path) {
    let Some(project) = &checked.project else { return };
    let files = sources.below("cases/", ".yaml").filter(|(_, text)| case::is_case(text));
    let mut found = Vec::new();
    for (file, text) in files {
        found.extend(case::read(file, text, (project, sources, folder)).err().into_iter().flatten());
    }
    if !found.is_empty() {
        checked.complaints.extend(found);
        checked.project = None;
    }
}

/// The project in `folder`, or its complaints on standard error.
pub(super) fn checked(scene: &Scene, folder: &Path) -> Result<(Sources, Project), CliError> {
    let sources = project::read(folder, true)?;
    let checked = project::check(&sources);
    if let Some(project) = checked.project {
        return Ok((sources, project));
    }
    if !scene.out.json {
        for complaint in &checked.complaints {
            scene.out.alarm(rendered(complaint, &sources));
        }
    }
    let errors = errors(&checked.complaints);
    let error =
        CliError::new(Exit::Project, format!("the project {} has {}", folder.display(), count(errors, "error")));
    Err(error.hint(format!("`surefoot check {}` says it again", folder.display())))
}

fn errors(complaints: &[Complaint]) -> u64 {
    complaints.iter().filter(|complaint| complaint.severity == Severity::Error).count() as u64
}

pub(super) fn rendered(complaint: &Complaint, sources: &Sources) -> String {
    complaint.render(sources.get(&complaint.file).map(|text| &**text)).trim_end().to_owned()
}

fn print(scene: &Scene, checked: &Checked, sources: &Sources, folder: &Path) {
    for complaint in &checked.complaints {
        scene.out.line(rendered(complaint, sources));
        scene.out.line("");
    }
    let errors = errors(&checked.complaints);
    let warnings = checked.complaints.len() as u64 - errors;
    let found = match (errors, warnings) {
        (0, 0) => String::new(),
        _ => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
    };
    match &checked.project {
        None => scene.out.alarm(format!("{found} in {}", folder.display())),
        Some(project) => {
            let counts = Counts::of(project, sources);
            let found = if found.is_empty() { String::new() } else { format!(" · {found}") };
            scene.out.line(format!("{} {}: {counts}{found}", paint(GOOD, "ok"), project.file.name));
        }
    }
}

/// What a project holds.
struct Counts {
    workflows: u64,
    steps: u64,
    schemas: u64,
    tools: u64,
}

impl Counts {
    fn of(project: &Project, sources: &Sources) -> Counts {
        fn steps(list: &[Step]) -> u64 {
            list.iter().map(|step| 1 + step.bodies().iter().map(|(_, inner)| steps(inner)).sum::<u64>()).sum()
        }
        let stages = project.workflows.values().flat_map(|program| &program.stages);
        Counts {
            workflows: project.workflows.len() as u64,
            steps: stages.map(|stage| steps(&stage.steps)).sum(),
            schemas: sources.below("schemas/", ".yaml").count() as u64,
            tools: project.tools.len() as u64,
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { workflows, steps, schemas, tools } = *self;
        let parts =
            [count(workflows, "workflow"), count(steps, "step"), count(schemas, "schema"), count(tools, "tool")];
        f.write_str(&parts.join(", "))
    }
}

fn report(checked: &Checked, sources: &Sources) -> Value {
    let errors = errors(&checked.complaints);
    let counts = checked.project.as_ref().map(|project| {
        let Counts { workflows, steps, schemas, tools } = Counts::of(project, sources);
        json!({ "workflows": workflows, "steps": steps, "schemas": schemas, "tools": tools })
    });
    json!({
        "ok": checked.project.is_some(),
        "project": checked.project.as_ref().map(|project| &project.file.name),
        "bundle": checked.project.as_ref().map(|project| project.bundle.digest),
        "counts": counts,
        "errors": errors,
        "warnings": checked.complaints.len() as u64 - errors,
        "complaints": checked.complaints.iter().map(one).collect::<Vec<_>>(),
    })
}

fn one(complaint: &Complaint) -> Value {
    let mut object = json!({
        "id": complaint.id,
        "severity": complaint.severity.to_string(),
        "file": complaint.file,
        "message": complaint.message,
        "hint": complaint.hint,
    });
    if let Some(at) = complaint.at {
        object["line"] = at.line.into();
        object["column"] = at.column.into();
        object["length"] = at.len.into();
    }
    object
}

/// SARIF 2.1.0: the rules that were broken, and where.
fn sarif(complaints: &[Complaint]) -> Value {
    let ids: BTreeSet<&str> = complaints.iter().map(|complaint| complaint.id).collect();
    let known = complaint::ALL.iter().filter(|known| ids.contains(known.0));
    let rules: Vec<Value> = known
        .map(|(id, title, explanation)| {
            json!({ "id": id, "shortDescription": { "text": title }, "fullDescription": { "text": explanation } })
        })
        .collect();
    let results: Vec<Value> = complaints
        .iter()
        .map(|complaint| {
            let mut place = json!({ "artifactLocation": { "uri": uri(&complaint.file), "uriBaseId": "%SRCROOT%" } });
            if let Some(at) = complaint.at {
                place["region"] =
                    json!({ "startLine": at.line, "startColumn": at.column, "endColumn": at.column + at.len.max(1) });
            }
            let text = match &complaint.hint {
                Some(hint) => format!("{}; {hint}", complaint.message),
                None => complaint.message.clone(),
            };
            json!({
                "ruleId": complaint.id,
                "level": complaint.severity.to_string(),
                "message": { "text": text },
                "locations": [{ "physicalLocation": place }],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "surefoot", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// A path as a relative URI: what is no letter, digit or mark of a path is written as its bytes.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
