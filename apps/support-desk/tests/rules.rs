//! The rules by themselves: what is alarming and what is not, and that nobody wrote them with the seed in hand.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use support_desk::{banking, fit, measure};
use surefoot::rules::words::words_of;

fn app() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `anger/person/grave/complaint` of a body, the last three as one letter each.
fn alarm(body: &str) -> String {
    let sources = surefoot::project::read(app(), false).unwrap();
    let rules = measure::rules(&sources, "rules/alarm.yaml").unwrap();
    let answer: Value = serde_json::from_str(&measure::ask(&rules, body).unwrap().to_json()).unwrap();
    let flag = |name: &str, letter: &'static str| if answer[name] == true { letter } else { "-" };
    let anger = if answer["anger"].as_f64().unwrap() >= 0.7 { "angry" } else { "calm" };
    format!("{anger} {}{}{}", flag("asks_for_person", "p"), flag("legal_or_safety", "g"), flag("complaint", "c"))
}

#[test]
fn anger_a_wish_for_a_person_law_and_safety_are_noticed() {
    for (body, wanted) in [
        ("I am absolutely disgusted by this. Worst service ever, you are thieves.", "angry ---"),
        ("WHERE IS MY MONEY!!! This is outrageous", "angry ---"),
        ("This is bullshit, I am so angry with you people", "angry ---"),
        ("For the third time: still no reply. I am fed up and disappointed with you.", "angry ---"),
        ("Can I please talk to a real person?", "calm p--"),
        ("Put me through to your supervisor", "calm p--"),
        ("No more bots. I want a human", "calm p--"),
        ("Please call me back this afternoon", "calm p--"),
        ("If this is not solved my lawyer will contact you and I will go to the ombudsman", "calm -g-"),
        ("See you in court", "calm -g-"),
        ("I am being threatened and he has my card, I do not feel safe", "calm -g-"),
        ("I would like to file a formal complaint", "calm --c"),
    ] {
        assert_eq!(alarm(body), wanted, "{body}");
    }
}

#[test]
fn everyday_messages_are_not_alarming() {
    for body in [
        "",
        "When will my card arrive?",
        "I was charged twice, please help!",
        "I'm not angry, just a little confused about the fee.",
        "The person I sent the money to did not get it.",
        "Can somebody else top up my account? Is my USA card OK?",
        "My card does not work in the shop below our office, what the reason is I do not know.",
        "Is the agent bank in Lyon one of yours? I live next to the tennis court.",
    ] {
        assert_eq!(alarm(body), "calm ---", "{body}");
    }
}

fn texts(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push((path, words_of(&text).join(" ")));
        }
    }
}

#[test]
fn no_four_words_of_the_seed_stand_in_rules_lexicons_or_prompts() {
    let mut all = Vec::new();
    for folder in ["rules", "lexicons", "prompts"] {
        texts(&app().join(folder), &mut all);
    }
    assert!(all.len() >= 11, "{}", all.len());
    let mut looked_for = 0;
    for entry in fs::read_dir(app().join("seed")).unwrap() {
        let mail: Value = serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let mut wanted: BTreeSet<String> =
            ["customer_id", "from"].map(|key| words_of(mail[key].as_str().unwrap()).join(" ")).into();
        for key in ["subject", "body"] {
            wanted.extend(words_of(mail[key].as_str().unwrap()).windows(4).map(|four| four.join(" ")));
        }
        for words in wanted {
            looked_for += 1;
            let found = all.iter().find(|(_, text)| format!(" {text} ").contains(&format!(" {words} ")));
            assert!(found.is_none(), "`{words}` stands in {}", found.unwrap().0.display());
        }
    }
    assert!(looked_for > 200, "{looked_for}");
}

#[test]
fn what_is_committed_is_what_fit_writes_and_the_test_file_has_no_part_in_it() {
    // A project without the test file: what is learnt cannot come from it.
    let place = tempfile::tempdir().unwrap();
    for file in ["surefoot.yaml", "schemas/classification.yaml", "data/intents.csv", "data/banking77/train.csv"] {
        fs::create_dir_all(place.path().join(file).parent().unwrap()).unwrap();
        fs::copy(app().join(file), place.path().join(file)).unwrap();
    }
    assert!(banking::read(place.path(), banking::Split::Test).is_err());
    let fitted = fit::fit(place.path()).unwrap();
    assert_eq!(fitted.files.len(), 5);
    let (mut same, mut all) = (0, 0);
    for (path, text) in &fitted.files {
        let committed = fs::read_to_string(app().join(path)).unwrap();
        all += text.lines().count();
        same += text.lines().filter(|line| committed.lines().any(|other| other == *line)).count();
    }
    // Sums and exponents may differ in the last digit on another machine.
    assert!(same * 100 >= all * 95, "{same} of {all} lines are as committed: run `support-desk fit`");
}
