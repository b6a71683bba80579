//! How often the guesses about the words of prompts are right: what `wording` finds in texts of public projects and in written ones is
//! compared with what people labelled in them.

#![expect(clippy::disallowed_methods, reason = "the texts are files: the kernel itself reads none")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use expect_test::expect;
use kernel::{foresee::wording, yaml};
use serde_json::Value;

/// The checks as the labels name them.
const CHECKS: [(&str, &str); 5] =
    [("persona", "W204"), ("conflict", "W205"), ("vague", "W206"), ("leftover", "W207"), ("twice", "W208")];

struct Labelled {
    id: String,
    text: String,
    /// The check's id, and the line.
    faults: BTreeSet<(String, usize)>,
}

fn corpus() -> Vec<Labelled> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/prompts");
    let entries = fs::read_dir(&folder).expect("the folder of texts");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    files.iter().flat_map(|file| read(&fs::read_to_string(file).expect("a file of texts"))).collect()
}

fn read(source: &str) -> Vec<Labelled> {
    let node = yaml::parse(&"texts.yaml".into(), source).expect("texts are YAML");
    let value: Value = serde_json::to_value(node.to_value().expect("a value")).expect("JSON");
    let one = |entry: &Value| {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let fault = |fault: &Value| {
            let check = text(&fault["check"]);
            let (_, id) = CHECKS.iter().find(|(name, _)| *name == check).expect("a check that there is");
            ((*id).to_owned(), usize::try_from(fault["line"].as_u64().expect("a line")).expect("a small number"))
        };
        let faults = entry["faults"].as_array().expect("a list").iter().map(fault).collect();
        Labelled { id: text(&entry["id"]), text: text(&entry["text"]), faults }
    };
    value.as_array().expect("a list").iter().map(one).collect()
}

fn found(text: &str) -> BTreeSet<(String, usize)> {
    let line = |at: usize| text[..at].matches('\n').count() + 1;
    wording::faults(&[text]).into_iter().map(|fault| (fault.id.to_owned(), line(fault.at.start))).collect()
}

#[test]
fn how_often_the_guesses_are_right() {
    let corpus = corpus();
    let mut table =
        "| check | labelled | found | right | precision | recall |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    let mut slips = String::new();
    for (_, id) in CHECKS {
        let (mut labelled, mut said, mut right) = (0, 0, 0);
        for text in &corpus {
            let of = |all: &BTreeSet<(String, usize)>| -> BTreeSet<usize> {
                all.iter().filter(|fault| fault.0 == id).map(|fault| fault.1).collect()
            };
            let (truth, guess) = (of(&text.faults), of(&found(&text.text)));
            labelled += truth.len();
            said += guess.len();
            right += truth.intersection(&guess).count();
            let place = |what: &'static str| move |line: &usize| format!("{id} {what} {}:{line}\n", text.id);
            slips.extend(guess.difference(&truth).map(place("wrong ")));
            slips.extend(truth.difference(&guess).map(place("missed")));
        }
        let share = |of: usize| (100 * right).checked_div(of).map_or("-".to_owned(), |share| format!("{share} %"));
        table += &format!("| `{id}` | {labelled} | {said} | {right} | {} | {} |\n", share(said), share(labelled));
    }
    expect![[r#"
        | check | labelled | found | right | precision | recall |
        | --- | --- | --- | --- | --- | --- |
        | `W204` | 21 | 17 | 17 | 100 % | 80 % |
        | `W205` | 5 | 2 | 2 | 100 % | 40 % |
        | `W206` | 38 | 19 | 18 | 94 % | 47 % |
        | `W207` | 7 | 4 | 4 | 100 % | 57 % |
        | `W208` | 7 | 5 | 5 | 100 % | 71 % |
    "#]]
    .assert_eq(&table);
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/context.md");
    let page = fs::read_to_string(page).expect("the page about prompts");
    assert!(page.contains(&table), "docs/context.md has other figures than:\n{table}");
    expect![[r#"
        W204 missed aider-05:1
        W204 missed crewai-01:2
        W204 missed crewai-01:3
        W204 missed ragas-14:1
        W205 missed written-03:5
        W205 missed written-09:5
        W205 missed written-27:4
        W206 missed aider-14:14
        W206 missed aider-14:19
        W206 missed autogen-01:1
        W206 missed autogen-03:16
        W206 missed camel-05:7
        W206 missed camel-06:2
        W206 missed camel-07:2
        W206 missed crewai-02:3
        W206 missed crewai-07:1
        W206 missed crewai-07:15
        W206 missed crewai-15:4
        W206 missed crewai-15:7
        W206 wrong  gptengineer-03:6
        W206 missed gptengineer-03:9
        W206 missed gptengineer-04:7
        W206 missed gptengineer-05:2
        W206 missed llamaindex-02:3
        W206 missed metagpt-05:19
        W206 missed metagpt-08:2
        W206 missed metagpt-09:4
        W206 missed written-05:5
        W207 missed llamaindex-07:7
        W207 missed written-13:3
        W207 missed written-17:4
        W208 missed graphrag-06:36
        W208 missed written-11:5
    "#]]
    .assert_eq(&slips);
}
