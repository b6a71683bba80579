//! Where the labels of a workflow's actions come from: a project in, the printed flow out.

#[path = "../journals/drive.rs"]
#[expect(dead_code, reason = "only the project reader is needed here")]
mod drive;

mod crossing;
mod example;
mod flows;
mod grows;
mod judged;

use std::sync::Arc;

use expect_test::Expect;
use kernel::{
    complaint::Complaint,
    governance::labels::draw,
    workflow::{
        Program,
        project::{self, Sources},
    },
};

/// Prompts, schemas and tools that the tests share; a test brings `workflows/w.yaml` and may bring others in their place.
const SHARED: &str = "
--- prompts/ask.md
Say it.
--- schemas/in.yaml
type: object
additionalProperties: false
required: [ body, sender, ours, notes, ids, most ]
properties:
  body: { type: string }
  sender: { type: string, x-labels: [ private ] }
  ours: { type: string, x-labels: [ trusted ] }
  notes: { type: array, items: { type: object, required: [ text, at ], properties: { text: { type: string }, at: { type: string, x-labels: [ trusted, seen ] } } } }
  ids: { type: array, items: { type: string }, x-labels: [ trusted ] }
  most: { type: integer, x-labels: [ trusted ] }
--- schemas/out.yaml
type: object
additionalProperties: false
required: [ kind, id, cents, note ]
properties:
  kind: { enum: [ a, b ] }
  id: { type: string }
  cents: { type: integer }
  note: { type: string, x-labels: [ summary ] }
--- tools/box.yaml
tool: box
native: true
operations:
  put: { effect: idempotent, control: [ to ] }
  look: { effect: read, returns: { labels: [ private ] } }
  known: { effect: read, returns: { labels: [ trusted, public ] } }
  echo: { effect: read, returns: { labels: [ trusted, inherit ] } }
  typed: { effect: read, returns: { schema: schemas/typed.yaml, labels: private } }
--- schemas/typed.yaml
type: object
required: [ id, text ]
properties: { id: { type: string, x-labels: [ trusted ] }, text: { type: string } }
";

/// `text` together with what it does not bring itself.
fn sources(text: &str) -> Sources {
    let mut sources = drive::sources(SHARED);
    sources.files.extend(drive::sources(text).files);
    sources
}

fn check(sources: &Sources) -> (Option<Arc<Program>>, Vec<Complaint>) {
    let checked = project::check(sources);
    (checked.project.and_then(|project| project.workflows.values().next().cloned()), checked.complaints)
}

/// A project without errors.
fn program(text: &str) -> Arc<Program> {
    let (program, complaints) = check(&sources(text));
    program.unwrap_or_else(|| panic!("the project has errors: {complaints:#?}"))
}

/// A workflow of one stage with these steps.
fn steps(steps: &str) -> String {
    let steps: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    format!("--- workflows/w.yaml\nworkflow: w\ninput: schemas/in.yaml\nstages:\n  - stage: only\n    steps:\n{steps}")
}

/// The labels of the actions of these steps.
fn flow(text: &str, expected: Expect) {
    expected.assert_eq(&draw(&program(&steps(text))));
}
