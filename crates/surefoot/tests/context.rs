//! What models were shown: of a run, and of two versions.

mod common;

use common::{Place, stable};
use insta::assert_snapshot;

fn shown(place: &Place, args: &[&str]) -> String {
    let said = place.call(args);
    let mut text = format!("$ surefoot {}\n{}{}", args.join(" "), said.out, said.err);
    if said.code != 0 {
        text.push_str(&format!("--- exit code {}\n", said.code));
    }
    stable(&text)
}

#[test]
fn context_show() {
    let place = Place::with_demo();
    place.ok(&["run", "demo"]);
    let mut text = shown(&place, &["context", "show", "last", "*", "demo"]);
    text.push_str(&shown(&place, &["context", "show", "last", "facts", "demo", "--text"]));
    text.push_str(&shown(&place, &["context", "show", "last", "thanks", "demo", "--json"]));
    text.push_str(&shown(&place, &["context", "show", "last", "fact", "demo"]));
    text.push_str(&shown(&place, &["context", "show", "last", "facts", "demo", "--attempt", "7"]));
    assert_snapshot!(text);
}

#[test]
fn a_request_is_made_again_with_the_frozen_prompts_of_its_run() {
    let place = Place::with_demo();
    place.ok(&["run", "demo"]);
    place.edit("demo/prompts/facts.md", "List every defect", "Name every defect");
    let text = place.call(&["context", "show", "last", "facts", "demo", "--text"]);
    assert!(
        text.code == 0 && text.out.contains("List every defect") && !text.out.contains("Name every"),
        "{}",
        text.out
    );
    let json = place.call(&["context", "show", "last", "facts", "demo", "--json"]);
    assert!(json.out.contains("\"made_again\":true"), "{}", json.out);
}

#[test]
fn context_diff() {
    let place = Place::with_demo();
    place.ok(&["run", "demo"]);
    place.ok(&["init", "next"]);
    place.edit(
        "next/prompts/house-rules.md",
        "Use only what the report says.",
        "Use what the report says, and nothing besides.",
    );
    place.edit(
        "next/workflows/report.yaml",
        "see: { text: input.text }",
        "see: { text: input.text, reporter: input.reporter }",
    );
    place.edit("next/workflows/report.yaml", "step: thanks", "step: gratitude");
    let mut text = shown(&place, &["context", "diff", "demo", "next", "--data", "demo/.surefoot"]);
    text.push_str(&shown(&place, &["context", "diff", "demo", "demo", "--data", "demo/.surefoot"]));
    text.push_str(&shown(&place, &["context", "diff", "demo", "nowhere", "--data", "demo/.surefoot"]));
    assert_snapshot!(text);
}
