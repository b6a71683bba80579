//! Nothing of the seed stands in what reads it: a rule that knows its companies would measure nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

fn texts(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push((path, text.to_lowercase()));
        }
    }
}

#[test]
fn no_host_name_or_sentence_of_the_seed_stands_in_crates_rules_or_lexicons() {
    let app = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for folder in ["rules", "lexicons", "prompts"] {
        texts(&app.join(folder), &mut all);
    }
    for entry in fs::read_dir(app.join("../../crates")).unwrap() {
        texts(&entry.unwrap().path().join("src"), &mut all);
    }
    assert!(all.len() > 100, "{} files", all.len());
    let truth: Value = serde_json::from_slice(&fs::read(app.join("seed/truth.json")).unwrap()).unwrap();
    let mut looked_for = 0;
    for site in truth["sites"].as_array().unwrap() {
        let mut words = vec![site["host"].as_str().unwrap().to_lowercase()];
        // A name that is a word of every day ("memory", "giant") says nothing.
        let name = site["name"].as_str().unwrap().to_lowercase();
        words.extend(Some(name).filter(|name| name.len() >= 7 && name != "coforma bakery"));
        let facts = ["facts", "forbidden", "distractors"].map(|key| site[key].as_array().unwrap().clone()).concat();
        let quotes = facts.iter().filter_map(|fact| fact["quote"].as_str());
        words.extend(quotes.filter(|quote| quote.split_whitespace().count() >= 4).map(str::to_lowercase));
        for word in &words {
            looked_for += 1;
            if let Some((path, _)) = all.iter().find(|(_, text)| text.contains(word)) {
                panic!("`{word}` stands in {}", path.display());
            }
        }
    }
    assert!(looked_for > 200, "{looked_for}");
}

#[test]
fn the_second_reader_knows_every_pattern_of_the_first() {
    let app = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rules = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(app.join("rules").join(name)).unwrap();
        let found = text.lines().filter(|line| line.trim_start().starts_with("- { id: "));
        // What a rule must not stand beside may be stricter in the second.
        found.map(|line| line.split(", unless:").next().unwrap().trim().to_owned()).collect()
    };
    let (first, second) = (rules("reader.yaml"), rules("thorough.yaml"));
    assert!(first.len() > 50, "{}", first.len());
    for rule in &first {
        assert!(second.contains(rule), "{rule}");
    }
    assert!(second.len() > first.len());
}
