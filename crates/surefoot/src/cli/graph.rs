use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use clap::{Args, ValueEnum};
use kernel::{
    step::{Kind, Step},
    workflow::{
        Program,
        project::{self as kernel_project, Sources},
    },
    yaml::{self, Node},
};
use serde_json::json;

use super::{Folder, Scene};
use crate::{error::CliError, exit::Exit, project};

/// Draw the workflows of a project
///
/// Works also while prompts and schemas are still missing: see the branches before you build anything.
#[derive(Debug, Args)]
pub(super) struct Graph {
    #[command(flatten)]
    folder: Folder,
    /// Only this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// As what
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A tree of text
    Text,
    /// A Mermaid flowchart
    Mermaid,
    /// Graphviz
    Dot,
}

impl Graph {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let mut sources = project::read(&self.folder.folder, false)?;
        let missing = stand_in(&mut sources);
        let checked = kernel_project::check(&sources);
        let Some(project) = checked.project else {
            for complaint in &checked.complaints {
                let text = sources.get(&complaint.file).map(|text| &**text);
                scene.out.alarm(complaint.render(text).trim_end());
            }
            let message = format!("the project {} has errors, so it cannot be drawn", self.folder.folder.display());
            return Err(CliError::new(Exit::Project, message));
        };
        let programs: Vec<&Arc<Program>> = match &self.workflow {
            None => project.workflows.values().collect(),
            Some(name) => vec![find(&project.workflows, name)?],
        };
        let draw = |program: &Program| match self.format {
            Format::Text => kernel::workflow::graph::draw(program),
            Format::Mermaid => Drawing::of(program).mermaid(),
            Format::Dot => Drawing::of(program).dot(),
        };
        if scene.out.json {
            let drawn: BTreeMap<_, _> = programs.iter().map(|program| (program.name.clone(), draw(program))).collect();
            scene.out.object(&json!({ "workflows": drawn, "missing": missing }));
            return Ok(Exit::Ok);
        }
        let drawn: Vec<String> = programs.iter().map(|program| draw(program)).collect();
        scene.out.text(drawn.join("\n"));
        if !missing.is_empty() {
            scene.out.aside(format!("still to be written: {}", missing.join(", ")));
        }
        Ok(Exit::Ok)
    }
}

/// The workflow of that name.
pub(super) fn find<'a>(all: &'a BTreeMap<Arc<str>, Arc<Program>>, name: &str) -> Result<&'a Arc<Program>, CliError> {
    all.get(name).ok_or_else(|| {
        let near = kernel::complaint::did_you_mean(name, all.keys().map(|name| &**name));
        let error = CliError::not_found(format!("the project has no workflow `{name}`"));
        near.into_iter().fold(error, CliError::hint)
    })
}

/// Puts an empty prompt or an open schema in the place of each file that is named and missing.
fn stand_in(sources: &mut Sources) -> Vec<String> {
    let mut missing = Vec::new();
    let named: Vec<Arc<str>> = sources
        .below("", ".yaml")
        .filter(|(path, _)| path.starts_with("workflows/") || path.starts_with("tools/"))
        .filter_map(|(path, text)| yaml::parse(path, text).ok())
        .flat_map(|node| scalars(&node))
        .collect();
    for path in named {
        let text = if path.starts_with("prompts/") && path.ends_with(".md") {
            ""
        } else if path.starts_with("schemas/") && path.ends_with(".yaml") {
            "{}\n"
        } else {
            continue;
        };
        if sources.get(&path).is_none() {
            missing.push(path.to_string());
            sources.files.insert(path, text.into());
        }
    }
    if sources.get(kernel_project::PROJECT_FILE).is_none() {
        missing.push(kernel_project::PROJECT_FILE.to_owned());
        sources.files.insert(kernel_project::PROJECT_FILE.into(), "project: unnamed\n".into());
    }
    missing
}

fn scalars(node: &Node) -> Vec<Arc<str>> {
    match &node.kind {
        yaml::Kind::Scalar { text, .. } => vec![text.clone()],
        yaml::Kind::List(items) => items.iter().flat_map(scalars).collect(),
        yaml::Kind::Map(entries) => entries.iter().flat_map(|(_, node)| scalars(node)).collect(),
    }
}

/// Boxes and arrows: stages hold steps, steps follow each other, a decide points at the stages it may choose.
struct Drawing<'a> {
    program: &'a Program,
    arrows: Vec<(String, String, String)>,
}

impl<'a> Drawing<'a> {
    fn of(program: &'a Program) -> Drawing<'a> {
        let mut drawing = Drawing { program, arrows: Vec::new() };
        let order = program.order.iter().filter_map(|name| program.stage(name));
        let firsts: Vec<_> = order.collect();
        for stage in &program.stages {
            drawing.follow(&stage.steps);
        }
        for pair in firsts.windows(2) {
            if let (Some(last), Some(first)) = (pair[0].steps.last(), pair[1].steps.first()) {
                drawing.arrow(&last.name, &first.name, "");
            }
        }
        drawing
    }

    fn follow(&mut self, steps: &[Step]) {
        for pair in steps.windows(2) {
            let when = pair[1].when.as_ref().map(|when| format!("when {}", when.source())).unwrap_or_default();
            self.arrow(&pair[0].name, &pair[1].name, &when);
        }
        for step in steps {
            if let Kind::Decide(decide) = &step.kind {
                let otherwise = ("otherwise".to_owned(), decide.otherwise.as_slice());
                for (when, then) in decide.told().into_iter().chain([otherwise]) {
                    let first =
                        then.first().and_then(|name| self.program.stage(name)).and_then(|stage| stage.steps.first());
                    if let Some(first) = first {
                        self.arrow(&step.name, &first.name, &when);
                    }
                }
            }
            for (branch, body) in step.bodies() {
                if let Some(first) = body.first() {
                    let label = branch.map_or("for each", |name| name);
                    self.arrow(&step.name, &first.name, label);
                }
                self.follow(body);
            }
        }
    }

    fn arrow(&mut self, from: &str, to: &str, label: &str) {
        self.arrows.push((from.to_owned(), to.to_owned(), label.to_owned()));
    }

    fn mermaid(&self) -> String {
        let quoted = |text: &str| text.replace('"', "#quot;");
        let mut out = format!("%% {} · {}\nflowchart TD\n", self.program.name, self.program.title);
        for stage in &self.program.stages {
            let _ = writeln!(out, "  subgraph stage_{} [\"{}\"]", stage.name, stage.name);
            each_step(&stage.steps, &mut |step| {
                let (open, close) = if matches!(step.kind, Kind::Decide(_)) { ("{", "}") } else { ("[", "]") };
                // With a prefix, no step is called like a word of Mermaid.
                let _ = writeln!(out, "    s_{}{open}\"{}<br/>{}\"{close}", step.name, step.name, step.kind());
            });
            out.push_str("  end\n");
        }
        for (from, to, label) in &self.arrows {
            let label = if label.is_empty() { String::new() } else { format!("|\"{}\"|", quoted(label)) };
            let _ = writeln!(out, "  s_{from} -->{label} s_{to}");
        }
        out
    }

    fn dot(&self) -> String {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut out = format!("digraph \"{}\" {{\n  node [shape=box];\n", self.program.name);
        for stage in &self.program.stages {
            let _ = writeln!(out, "  subgraph \"cluster_{}\" {{\n    label=\"{}\";", stage.name, stage.name);
            each_step(&stage.steps, &mut |step| {
                let shape = if matches!(step.kind, Kind::Decide(_)) { ", shape=diamond" } else { "" };
                let _ = writeln!(out, "    \"{}\" [label=\"{}\\n{}\"{shape}];", step.name, step.name, step.kind());
            });
            out.push_str("  }\n");
        }
        for (from, to, label) in &self.arrows {
            let label = if label.is_empty() { String::new() } else { format!(" [label=\"{}\"]", quoted(label)) };
            let _ = writeln!(out, "  \"{from}\" -> \"{to}\"{label};");
        }
        out.push_str("}\n");
        out
    }
}

/// Every step, outer ones first.
pub(super) fn each_step<'a>(steps: &'a [Step], visit: &mut impl FnMut(&'a Step)) {
    for step in steps {
        visit(step);
        for (_, body) in step.bodies() {
            each_step(body, visit);
        }
    }
}
