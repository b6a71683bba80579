//! The reference of workflow files names every key, and its first example is a workflow without errors.

#![expect(clippy::disallowed_methods, reason = "the reference is a file: the kernel itself reads none")]

use std::{fs, path::PathBuf};

use kernel::{
    complaint::Complaints,
    governance::people::{PEOPLE_FILE, People},
    recovery::FailureKind,
    step,
    workflow::project::{Sources, check},
};

fn page(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

#[test]
fn the_reference_names_every_key_of_every_step_kind() {
    let page = page("workflows.md");
    let missing: Vec<String> = step::keys()
        .flat_map(|(kind, keys)| keys.iter().map(move |key| (kind, key)))
        .filter(|(_, key)| !page.contains(&format!("`{key}")) && !page.contains(&format!("{key}:")))
        .map(|(kind, key)| format!("{key} of {kind}"))
        .collect();
    assert!(missing.is_empty(), "docs/workflows.md says nothing about {missing:?}");
}

#[test]
fn the_page_of_failures_names_every_kind() {
    let page = page("failures.md");
    let missing: Vec<&str> =
        FailureKind::ALL.iter().map(|kind| kind.as_str()).filter(|kind| !page.contains(kind)).collect();
    assert!(missing.is_empty(), "docs/failures.md says nothing about {missing:?}");
}

#[test]
fn the_first_example_is_a_workflow_without_errors() {
    let page = page("workflows.md");
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let order = "type: object\nrequired: [ number, lines ]\nproperties:\n  number: { type: integer }\n  lines: { type: array, items: { type: object, required: [ cents ], properties: { cents: { type: integer } } } }\n";
    let confirmation = "type: object\nrequired: [ number, id ]\n";
    let shop = "tool: shop\nnative: true\noperations: { save: { effect: idempotent, returns: schemas/saved.yaml } }\n";
    let sources: Sources = [
        ("surefoot.yaml", "project: docs\n"),
        ("workflows/order.yaml", example),
        ("schemas/order.yaml", order),
        ("schemas/confirmation.yaml", confirmation),
        ("schemas/saved.yaml", "type: object\nrequired: [ id ]\nproperties: { id: { type: integer } }\n"),
        ("tools/shop.yaml", shop),
    ]
    .into_iter()
    .collect();
    let complaints: Vec<String> = check(&sources)
        .complaints
        .iter()
        .map(|complaint| complaint.render(sources.get(&complaint.file).map(|text| &**text)))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_example_of_people_is_a_directory_without_errors() {
    let page = page("people.md");
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let mut complaints = Complaints::new();
    let people = People::read(&Sources::from_iter([(PEOPLE_FILE, example)]), &mut complaints);
    let people = people.unwrap_or_else(|| panic!("{complaints:?}"));
    assert_eq!(people.ids().map(|id| &**id).collect::<Vec<_>>(), ["anna", "bob"]);
}
