//! Every command, as printed.

mod common;

use common::{Place, stable};
use insta::assert_snapshot;

/// Output, errors and exit code as one text.
fn shown(place: &Place, args: &[&str]) -> String {
    let said = place.call(args);
    let mut text = format!("$ surefoot {}\n{}", args.join(" "), said.out);
    if !said.err.is_empty() {
        text.push_str("--- standard error\n");
        text.push_str(&said.err);
    }
    if said.code != 0 {
        text.push_str(&format!("--- exit code {}\n", said.code));
    }
    stable(&text)
}

/// A demo whose items come one at a time, so that its story is always the same.
fn demo() -> Place {
    let place = Place::with_demo();
    place.edit("demo/workflows/report.yaml", "max_parallel: 2", "max_parallel: 1");
    place
}

#[test]
fn help() {
    assert_snapshot!(shown(&Place::new(), &["--help"]));
}

#[test]
fn init() {
    let place = Place::new();
    let mut text = shown(&place, &["init", "--list"]);
    text.push_str(&shown(&place, &["init", "one", "--template", "minimal"]));
    text.push_str(&shown(&place, &["init", "one"]));
    text.push_str(&shown(&place, &["init", "two", "--template", "minmal"]));
    text.push_str(&shown(&place, &["init", "three", "--template", "minimal", "--json"]));
    assert_snapshot!(text);
}

#[test]
fn check() {
    let place = demo();
    let mut text = shown(&place, &["check", "demo"]);
    text.push_str(&shown(&place, &["check", "demo", "--json"]));
    place.edit("demo/workflows/report.yaml", "facts.danger >= 0.7, then: urgent", "facts.dangr >= 0.7, then: urgnt");
    text.push_str(&shown(&place, &["check", "demo"]));
    text.push_str(&shown(&place, &["check", "demo", "--json"]));
    text.push_str(&shown(&place, &["run", "demo"]));
    assert_snapshot!(text);
}

#[test]
fn check_labels() {
    let place = demo();
    place.edit(
        "demo/tools/notebook.yaml",
        "    params: schemas/note.yaml\n",
        "    params: schemas/note.yaml\n    control: [ text ]\n",
    );
    let mut text = shown(&place, &["check", "demo", "--labels"]);
    text.push_str(&shown(&place, &["check", "demo", "--labels", "--json"]));
    text.push_str(&shown(&place, &["check", "demo", "--labels", "--sarif"]));
    place.edit("demo/tools/notebook.yaml", "control: [ text ]", "control: [ txt ]");
    text.push_str(&shown(&place, &["check", "demo", "--labels"]));
    assert_snapshot!(text);
}

#[test]
fn check_as_sarif() {
    let place = demo();
    place.edit("demo/workflows/report.yaml", "facts.danger >= 0.7, then: urgent", "facts.dangr >= 0.7, then: urgent");
    assert_snapshot!(shown(&place, &["check", "demo", "--sarif"]));
}

#[test]
fn fmt() {
    let place = demo();
    let mut text = shown(&place, &["fmt", "demo", "--check"]);
    place.edit("demo/surefoot.yaml", "project: demo", "project:    demo");
    text.push_str(&shown(&place, &["fmt", "demo", "--check"]));
    text.push_str(&shown(&place, &["fmt", "demo", "--json"]));
    text.push_str(&shown(&place, &["fmt", "demo/surefoot.yaml", "--check"]));
    place.write("demo/cases/broken.yaml", "a: [1\n");
    text.push_str(&shown(&place, &["fmt", "demo"]));
    assert_snapshot!(text);
}

#[test]
fn graph() {
    let place = demo();
    let mut text = shown(&place, &["graph", "demo"]);
    text.push_str(&shown(&place, &["graph", "demo", "--format", "mermaid"]));
    text.push_str(&shown(&place, &["graph", "demo", "--format", "dot", "--workflow", "report"]));
    text.push_str(&shown(&place, &["graph", "demo", "--workflow", "reprot"]));
    for missing in ["prompts", "schemas"] {
        std::fs::remove_dir_all(place.path().join("demo").join(missing)).unwrap();
    }
    text.push_str(&shown(&place, &["graph", "demo"]));
    assert_snapshot!(text);
}

#[test]
fn run() {
    let place = demo();
    assert_snapshot!(shown(&place, &["run", "demo"]));
}

#[test]
fn run_with_other_input() {
    let place = Place::new();
    place.ok(&["init", "hi", "--template", "minimal"]);
    let mut text = shown(&place, &["run", "hi", "-q"]);
    text.push_str(&shown(&place, &["run", "hi", "-q", "--set", "name=Ada"]));
    text.push_str(&shown(&place, &["run", "hi", "-q", "--input", "{\"name\": \"Bob\"}", "--key", "bob"]));
    text.push_str(&shown(&place, &["run", "hi", "-q", "--input", "{\"name\": \"Bob\"}", "--key", "bob"]));
    text.push_str(&shown(&place, &["run", "hi", "-q", "--input", "{\"name\": \"Cy\"}", "--key", "bob"]));
    text.push_str(&shown(&place, &["run", "hi", "--set", "name=3"]));
    text.push_str(&shown(&place, &["run", "hi", "--set", "name"]));
    text.push_str(&shown(&place, &["run", "hi", "--input", "nothing.yaml"]));
    text.push_str(&shown(&place, &["run", "hi", "--workflow", "helo"]));
    text.push_str(&shown(&place, &["run", "hi", "--resume"]));
    assert_snapshot!(text);
}

#[test]
fn crash() {
    let place = demo();
    assert_snapshot!(shown(&place, &["run", "demo", "--crash-at", "route"]));
}

#[test]
fn runs() {
    let place = demo();
    place.edit("demo/workflows/report.yaml", "for: 20ms", "signal: go");
    let mut text = shown(&place, &["run", "demo", "-q"]);
    text.push_str(&shown(&place, &["runs", "ls", "demo"]));
    text.push_str(&shown(&place, &["runs", "ls", "demo", "--status", "completed"]));
    text.push_str(&shown(
        &place,
        &["runs", "ls", "demo", "--about", "district=Mill Lane", "--workflow", "report", "--json"],
    ));
    text.push_str(&shown(&place, &["runs", "show", "last", "demo"]));
    text.push_str(&shown(&place, &["runs", "watch", "last", "demo"]));
    text.push_str(&shown(&place, &["runs", "pause", "last", "demo"]));
    text.push_str(&shown(&place, &["run", "demo", "--resume", "-q"]));
    text.push_str(&shown(
        &place,
        &["runs", "signal", "last", "go", "demo", "--body", "{\"by\":\"Ada\"}", "--id", "one"],
    ));
    text.push_str(&shown(
        &place,
        &["runs", "signal", "last", "go", "demo", "--body", "{\"by\":\"Ada\"}", "--id", "one"],
    ));
    text.push_str(&shown(&place, &["runs", "resume", "last", "demo", "--json"]));
    text.push_str(&shown(&place, &["run", "demo", "--resume", "-q"]));
    text.push_str(&shown(&place, &["runs", "show", "last", "demo"]));
    text.push_str(&shown(&place, &["runs", "cancel", "last", "demo"]));
    text.push_str(&shown(&place, &["runs", "show", "nosuchrun", "demo"]));
    assert_snapshot!(text);
}

#[test]
fn a_cancelled_run() {
    let place = demo();
    place.edit("demo/workflows/report.yaml", "for: 20ms", "for: 3d");
    let mut text = shown(&place, &["run", "demo", "-q"]);
    text.push_str(&shown(&place, &["runs", "cancel", "last", "demo", "-q"]));
    text.push_str(&shown(&place, &["run", "demo", "--resume", "-q"]));
    assert_snapshot!(text);
}

#[test]
fn why() {
    let place = demo();
    place.ok(&["run", "demo"]);
    let mut text = String::new();
    for step in ["facts", "entries[1]/save", "route", "count", "thanks", "outcome", "pause", "fats"] {
        text.push_str(&shown(&place, &["runs", "why", "last", step, "demo"]));
    }
    assert_snapshot!(text);
}

#[test]
fn a_failed_run() {
    let place = demo();
    place.edit("demo/cases/answers.yaml", "danger: 0.9", "danger: 7");
    let mut text = shown(&place, &["run", "demo"]);
    text.push_str(&shown(&place, &["runs", "ls", "demo"]));
    text.push_str(&shown(&place, &["runs", "show", "last", "demo"]));
    assert_snapshot!(text);
}

#[test]
fn evidence() {
    let place = demo();
    place.ok(&["run", "demo"]);
    let mut text = shown(&place, &["runs", "export", "last", "demo", "--out", "run.ndjson"]);
    text.push_str(&shown(&place, &["evidence", "verify", "run.ndjson"]));
    let whole = std::fs::read_to_string(place.path().join("run.ndjson")).unwrap();
    assert_eq!(place.ok(&["runs", "export", "last", "demo", "-q"]), whole);
    place.edit("run.ndjson", "Mill Lane", "Hill Lane");
    text.push_str(&shown(&place, &["evidence", "verify", "run.ndjson"]));
    text.push_str(&shown(&place, &["evidence", "verify", "run.ndjson", "--json"]));
    let last = whole.lines().last().unwrap();
    place.write("cut.ndjson", &whole.replace(&format!("{last}\n"), ""));
    text.push_str(&shown(&place, &["evidence", "verify", "cut.ndjson"]));
    place.write("run.ndjson", &whole);
    text.push_str(&shown(&place, &["evidence", "verify", "run.ndjson", "--head", &"0".repeat(64)]));
    text.push_str(&shown(&place, &["evidence", "verify", "nothing.ndjson"]));
    text.push_str(&shown(&place, &["db", "check", "demo"]));
    assert_snapshot!(text);
}

#[test]
fn evidence_of_what_was_done() {
    let place = demo();
    place.ok(&["run", "demo"]);
    let mut text = shown(&place, &["evidence", "show", "last", "demo"]);
    text.push_str(&shown(&place, &["evidence", "show", "nobody", "demo"]));
    assert_snapshot!(text);
    let acts = place.ok(&["evidence", "show", "last", "demo", "--json"]);
    assert!(acts.lines().all(|line| line.contains(r#""kind":"act""#) && line.contains(r#""hash":""#)), "{acts}");
    assert!(acts.lines().count() > 0);
    let exported = place.ok(&["evidence", "export", "last", "demo", "-q"]);
    assert_eq!(exported, place.ok(&["runs", "export", "last", "demo", "-q"]));
}

#[test]
fn completions_for_every_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(place.ok(&["completions", shell]).contains("surefoot"), "{shell}");
    }
}

#[test]
fn every_command_prints_json_lines_when_asked() {
    let place = demo();
    let calls: [&[&str]; 11] = [
        &["init", "two", "--json"],
        &["init", "--list", "--json"],
        &["check", "demo", "--json"],
        &["fmt", "demo", "--json"],
        &["graph", "demo", "--json"],
        &["run", "demo", "--json"],
        &["runs", "ls", "demo", "--json"],
        &["runs", "show", "last", "demo", "--json"],
        &["runs", "why", "last", "facts", "demo", "--json"],
        &["runs", "watch", "last", "demo", "--json"],
        &["db", "check", "demo", "--json"],
    ];
    for call in calls {
        let said = place.call(call);
        assert_eq!((said.code, &*said.err), (0, ""), "{call:?}");
        assert!(!said.out.is_empty(), "{call:?}");
        for line in said.out.lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).unwrap().is_object(), "{call:?}: {line}");
        }
    }
}

#[test]
fn a_measurement_is_a_line_and_leaves_nothing_behind() {
    let place = Place::new();
    for kind in ["chain", "actions", "long", "fanout", "parked", "recover"] {
        let steps = if kind == "long" { "1000" } else { "5" };
        let out = place.ok(&["bench", kind, "--runs", "3", "--steps", steps, "--no-probe"]);
        for line in out.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["verified"], true, "{line}");
        }
        assert!(out.lines().count() >= 1, "{kind}");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn what_surefoot_adds_to_a_model_call_is_measured_by_parts() {
    let place = Place::with_demo();
    for project in ["", "demo"] {
        let mut args = vec!["bench", "overhead", "--runs", "2", "--no-probe"];
        args.extend(Some(project).filter(|folder| !folder.is_empty()));
        let line: serde_json::Value = serde_json::from_str(&place.ok(&args)).unwrap();
        let number =
            |at: &str| line.pointer(at).and_then(serde_json::Value::as_f64).unwrap_or_else(|| panic!("{at}: {line}"));
        let calls = if project.is_empty() { 24.0 } else { 4.0 };
        assert_eq!(number("/calls"), calls, "{line}");
        assert!(number("/acts") > 0.0 && number("/commits") > 0.0 && number("/commit_wait/p50_ms") > 0.0, "{line}");
        let parts: f64 =
            ["context", "reply", "policy", "evidence"].map(|part| number(&format!("/sum_ms/{part}"))).iter().sum();
        assert!((parts - number("/sum_ms/all")).abs() < 0.01 && parts > 0.0, "{line}");
        assert!(
            number("/all/max_ms") >= number("/all/p99_ms") && number("/all/p99_ms") >= number("/all/p50_ms"),
            "{line}"
        );
    }
    let said = place.call(&["bench", "overhead", "nowhere"]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn two_versions_are_compared_down_to_who_reads_what_changed() {
    let place = Place::with_demo();
    place.ok(&["run", "demo", "--json"]);
    place.ok(&["init", "next"]);
    place.edit("next/workflows/report.yaml", "for: 2s", "for: 20ms");
    place.edit("next/cases/answers.yaml", "    delay: 250ms\n", "");
    // Cases are no part of a version.
    place.edit("next/cases/evening.yaml", "reporter: Jonas", "reporter: Jona");
    assert_eq!(place.ok(&["diff", "demo", "next", "--check"]), "no differences\n");
    let by_run = place.call(&["diff", "last", "next", "--data", "demo/.surefoot"]);
    assert_eq!((by_run.code, &*by_run.out), (0, "no differences\n"), "{}", by_run.err);

    place.edit(
        "next/schemas/facts.yaml",
        "danger: { type: number, minimum: 0, maximum: 1 }",
        "danger: { type: integer, minimum: 0 }",
    );
    place.edit("next/workflows/report.yaml", "max_parallel: 2", "max_parallel: 3");
    place.edit("next/prompts/thanks.md", "Promise nothing.", "Promise nothing at all.");
    let said = place.call(&["diff", "demo", "next"]);
    assert_eq!(said.code, 0, "{}", said.err);
    insta::assert_snapshot!("diff", said.out);
    assert_eq!(place.call(&["diff", "demo", "next", "--check"]).code, 3);
    let json: serde_json::Value = serde_json::from_str(&place.ok(&["diff", "demo", "next", "--json"])).unwrap();
    assert_eq!((&json["same"], json["models"].as_array().map(Vec::len)), (&false.into(), Some(0)), "{json}");
    let contract = &json["workflows"][0]["contracts"][0];
    assert_eq!((contract["of"].as_str(), contract["path"].as_str()), (Some("facts"), Some("danger")), "{json}");
    assert!(contract["readers"].as_array().unwrap().iter().any(|one| one["step"] == "route"), "{json}");
    // A run keeps the bundle that it began with.
    let by_run = place.call(&["diff", "last", "next", "--data", "demo/.surefoot", "--json"]);
    let by_run: serde_json::Value = serde_json::from_str(&by_run.out).unwrap();
    assert_eq!((&by_run["workflows"], &by_run["models"]), (&json["workflows"], &serde_json::Value::Null));
    let said = place.call(&["diff", "demo", "nowhere"]);
    assert!(said.code == 4 && said.err.contains("`nowhere` is no folder"), "{}", said.err);
    let said = place.call(&["diff", "demo", "next", "--workflow", "repart"]);
    assert!(said.code == 4 && said.err.contains("report"), "{}", said.err);
}

#[test]
fn what_models_were_shown_is_counted_from_the_journal() {
    let place = Place::with_demo();
    let said = place.call(&["bench", "context", "demo"]);
    assert!(said.code == 4 && said.err.contains("there are no data in"), "{}", said.err);
    place.ok(&["run", "demo"]);
    let line: serde_json::Value = serde_json::from_str(&place.ok(&["bench", "context", "demo"])).unwrap();
    let number = |key: &str| line[key].as_u64().unwrap();
    assert_eq!((number("runs"), number("model_calls")), (1, 2));
    assert!(number("tokens_shown") > 100 && number("tokens_everything") > number("tokens_shown"), "{line}");
}

#[test]
fn people_say_whether_a_run_was_right() {
    let place = demo();
    place.ok(&["run", "demo"]);
    let say = |outcome: &str, more: &[&str]| {
        let own = ["runs", "outcome", "last", outcome, "demo", "--as", "ada"];
        place.call(&own.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
    };
    assert_eq!(say("wrong", &[]).code, 2, "words are wanted");
    assert_eq!(say("perhaps", &["--because", "seen"]).code, 2);
    let said = say("wrong", &["--because", "it lists another order"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let run = place.newest();
    assert!(said.out.contains(&format!("recorded {run} was wrong, by ada")), "{}", said.out);
    assert!(said.err.contains("make a case of it: surefoot runs export"), "{}", said.err);
    let said = say("right", &["--because", "I had looked at the wrong list", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&object["outcome"], &object["run"]), (&"right".into(), &run.as_str().into()));
    let long = "x".repeat(2_001);
    let refused = say("right", &["--because", &long]);
    assert!(refused.code != 0 && refused.err.contains("2001 bytes"), "{}", refused.err);
}
