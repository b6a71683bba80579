//! A rehearsal counts only if it sees what is broken on purpose.

use std::{path::Path, sync::Arc};

use kernel::workflow::project::{self, Sources};

use super::*;
use crate::{
    case::{self, Setting},
    trial::Mutants,
};

const SAVE: &str = "workflow: save
stages:
  - stage: only
    steps:
      - step: saved
        act: box.put
        with: { text: hello }
";

/// Asks people whatever goes wrong.
const ASK: &str = "workflow: ask
stages:
  - stage: only
    steps:
      - step: judged
        reason: prompts/judge.md
        model: small
        output: schemas/judged.yaml
        on_failure:
          refused: [ { person: desk } ]
";

/// Owes an act that a failure lets it skip.
const OWE: &str = "workflow: owe
stages:
  - stage: only
    steps:
      - step: judged
        reason: prompts/judge.md
        model: small
        output: schemas/judged.yaml
        on_failure:
          refused: [ { continue_with: { ok: false } } ]
      - step: saved
        when: judged.ok
        act: box.put
        with: { text: hello }
done_when: [ { performed: box.put } ]
";

/// Done once at most, and a query tells whether it was.
const PROBE: &str = "workflow: probe
stages:
  - stage: only
    steps:
      - step: sent
        act: post.send
        with: { text: hello }
";

const CASE: &str = "case: it goes well\n";
const ANSWERED: &str = "answers: { judged: [ { value: { ok: true } } ] }\n";
const SEND: &str = "tools: { post.send: [ { value: { id: 1 } } ] }\n";
const PUT: &str = "tools: { box.put: [ { value: { id: 1 } } ] }\n";

/// Everything that the command would print, and how it would end.
fn rehearsed(workflow: &str, case: &str, mutants: Mutants) -> (Exit, String) {
    let files = [
        ("surefoot.yaml", "project: test\nmodels: { small: { provider: registered } }\n"),
        ("people.yaml", "groups: { desk: {} }\npeople: { ann: { name: Ann, groups: [ desk ] } }\n"),
        ("workflows/w.yaml", workflow),
        ("prompts/judge.md", "Well?\n"),
        ("schemas/judged.yaml", "type: object\nrequired: [ ok ]\nproperties: { ok: { type: boolean } }\n"),
        ("schemas/put.yaml", "type: object\nrequired: [ id ]\nproperties: { id: { type: integer } }\n"),
        (
            "tools/box.yaml",
            "tool: box\nnative: true\noperations: { put: { effect: idempotent, returns: schemas/put.yaml } }\n",
        ),
        ("schemas/found.yaml", "type: object\nrequired: [ count ]\nproperties: { count: { type: integer } }\n"),
        (
            "tools/post.yaml",
            "tool: post\nnative: true\noperations:\n  find: { effect: read, returns: schemas/found.yaml }\n  send:\n    effect: probed\n    \
             probe: { operation: find, with: { key: =key }, found: answer.count > 0, value: { id: 1 }, settle: 2m }\n",
        ),
        (
            "policies/allow/all.cedar",
            "@id(\"all\")\npermit (principal, action in [Action::\"box.put\", Action::\"post.send\", Action::\"post.find\"], resource);\n",
        ),
    ];
    let sources: Sources = files.into_iter().collect();
    let checked = project::check(&sources);
    let project = checked.project.unwrap_or_else(|| panic!("{:?}", checked.complaints));
    let file: Arc<str> = "cases/a.yaml".into();
    let case = case::read(&file, case, (&project, &sources, Path::new("."))).unwrap();
    let setting = Setting::new(sources, project, crate::trial::Natives::new()).unwrap();
    let mut rehearsal = Rehearsal::of(&case, &setting).unwrap();
    rehearsal.mutants = mutants;
    let cues = rehearsal.cues(&mut BTreeSet::new());
    let all: Vec<(&Case, Cell)> = cues.iter().map(|cue| (&case, rehearsal.play(cue))).collect();
    let text = anstream::adapter::strip_str(&lines(&all).join("\n")).to_string();
    (exit(&all), text)
}

#[test]
fn nothing_is_found_where_nothing_is_broken() {
    let owes = format!("{CASE}{ANSWERED}{PUT}");
    let sent = format!("{CASE}{SEND}");
    let asked = format!("{CASE}{ANSWERED}");
    for (workflow, case) in [(SAVE, format!("{CASE}{PUT}")), (ASK, asked), (OWE, owes), (PROBE, sent)] {
        let (exit, told) = rehearsed(workflow, &case, Mutants::default());
        assert_eq!(exit, Exit::Ok, "{told}");
        assert!(
            told.ends_with("no effect twice or lost, no silent end") && !told.contains("cannot be played"),
            "{told}"
        );
    }
}

#[test]
fn a_receiver_that_forgets_its_keys_doubles_an_effect_and_is_told_first() {
    let mutants = Mutants { forgets_keys: true, ..Mutants::default() };
    let (exit, told) = rehearsed(SAVE, &format!("{CASE}{PUT}"), mutants);
    assert_eq!(exit, Exit::Project, "{told}");
    let first = "never saved met tool_timeout, maybe sent, performed (once)  cases/a.yaml\n   `box.put` of `saved` was performed 2 times\n";
    assert!(told.starts_with(first), "{told}");
}

#[test]
fn a_run_that_rests_and_asks_nobody_ends_in_silence_and_is_told_first() {
    let mutants = Mutants { asks_nobody: true, ..Mutants::default() };
    let (exit, told) = rehearsed(ASK, &format!("{CASE}{ANSWERED}"), mutants);
    assert_eq!(exit, Exit::Project, "{told}");
    assert!(told.starts_with("never judged met refused (once)"), "{told}");
    assert!(told.contains("a silent end: it waits for desk") && told.contains("nobody is asked"), "{told}");
}

#[test]
fn a_run_that_says_it_completed_and_owes_an_act_is_told_first() {
    let mutants = Mutants { calls_failure_success: true, ..Mutants::default() };
    let (exit, told) = rehearsed(OWE, &format!("{CASE}{ANSWERED}{PUT}"), mutants);
    assert_eq!(exit, Exit::Project, "{told}");
    assert!(told.starts_with("never judged met refused (once)"), "{told}");
    assert!(told.contains("the run completed without `box.put`, which it owes (done_when 1)"), "{told}");
}

#[test]
fn a_probe_is_answered_with_what_is_true() {
    let (exit, told) = rehearsed(PROBE, &format!("{CASE}{SEND}"), Mutants::default());
    assert_eq!(exit, Exit::Ok, "{told}");
    // Performed: adopted, and sent no second time. Not performed: sent once more.
    for met in ["tool_timeout, maybe sent (once", "tool_timeout, maybe sent, performed (once"] {
        let line = told.lines().find(|line| line.contains(met)).unwrap_or_else(|| panic!("{told}"));
        assert!(line.contains("ends well  1 effect, "), "{line}");
    }
}
