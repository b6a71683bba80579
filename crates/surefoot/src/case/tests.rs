//! What happened in a case is a run like any other: a case made of it holds, and says the same.

use std::path::Path;

use kernel::workflow::project;

use super::*;

const WORKFLOW: &str = "workflow: order
input: schemas/order.yaml
result: { value: =told }
stages:
  - stage: only
    steps:
      - step: judged
        reason: prompts/judge.md
        model: small
        see: { text: input.text }
        output: schemas/judged.yaml
        on_failure:
          refused: [ { person: desk } ]
      - step: parts
        each: input.parts
        as: part
        max_parallel: 2
        steps:
          - step: put
            act: box.put
            with: { text: =part }
      - step: sent
        act: post.send
        with: { text: =input.text }
      - step: asked
        wait: { signal: paid, for: 2h }
      - step: agreed
        approve: { of: desk, ask: Is it well? }
      - step: told
        set: { judged: =judged.ok, run: =run.id }
";

fn setting() -> Setting {
    of_files(&[
        ("surefoot.yaml", "project: test\nmodels: { small: { provider: registered } }\n"),
        ("people.yaml", "groups: { desk: {} }\npeople: { ann: { name: Ann, groups: [ desk ] } }\n"),
        ("workflows/w.yaml", WORKFLOW),
        ("prompts/judge.md", "Well? {{ text }}\n"),
        (
            "schemas/order.yaml",
            "type: object\nrequired: [ text, parts ]\nproperties: { text: { type: string }, parts: { type: array, items: { type: string } } }\n",
        ),
        ("schemas/judged.yaml", "type: object\nrequired: [ ok ]\nproperties: { ok: { type: boolean } }\n"),
        ("tools/box.yaml", "tool: box\nnative: true\noperations: { put: { effect: idempotent } }\n"),
        ("tools/post.yaml", "tool: post\nnative: true\noperations: { send: { effect: at_most_once } }\n"),
        (
            "policies/allow/all.cedar",
            "@id(\"all\")\npermit (principal, action in [Action::\"box.put\", Action::\"post.send\"], resource);\n",
        ),
    ])
}

fn of_files(files: &[(&str, &str)]) -> Setting {
    let sources: Sources = files.iter().copied().collect();
    let checked = project::check(&sources);
    let said: Vec<String> = checked.complaints.iter().map(|one| one.render(None)).collect();
    Setting::new(sources, checked.project.unwrap_or_else(|| panic!("{said:?}")), Natives::new()).unwrap()
}

fn case_of(setting: &Setting, text: &str) -> Case {
    let read = read(&"cases/a.yaml".into(), text, (&setting.project, &setting.sources, Path::new(".")));
    read.unwrap_or_else(|wrong| {
        panic!("{}\n{text}", wrong.iter().map(|one| one.render(Some(text))).collect::<String>())
    })
}

/// Plays a case, makes a case of what happened, and plays that.
#[track_caller]
fn round(text: &str) -> (Outcome, String) {
    round_in(&setting(), text)
}

#[track_caller]
fn round_in(setting: &Setting, text: &str) -> (Outcome, String) {
    let case = case_of(setting, text);
    let (outcome, trial) = case.played(setting);
    assert_eq!(outcome.faults, Vec::<String>::new(), "{text}");
    let trial = trial.unwrap();
    let rests = match outcome.status {
        "waiting" => Some("waiting"),
        "paused" => Some("paused"),
        _ => None,
    };
    let below = trial.family().into_iter().skip(1).map(|child| {
        let events = child.entries.iter().zip(&child.events);
        (child.state.run, events.map(|(entry, event)| (entry.at, event.clone())).collect())
    });
    let below = below.collect();
    let value = |held: &kernel::journal::Held| {
        let found = trial.family().into_iter().map(|trial| trial.value(held));
        Some(found.into_iter().find(|value| *value != Value::Null).unwrap_or_default())
    };
    let real = Real {
        run: trial.state.run,
        entries: &trial.entries,
        events: &trial.events,
        below: &below,
        value: &value,
        rests,
    };
    let made = record(&real, ("again", &"cases/b.yaml".into()), (setting, Path::new("."))).unwrap();
    assert_eq!(made.notes, Vec::<String>::new(), "{}", made.text);
    let again = case_of(setting, &made.text);
    let (played, _) = again.played(setting);
    assert_eq!(again.differences(&played), [], "{}", made.text);
    assert_eq!(
        Outcome { story: Vec::new(), ..played },
        Outcome { story: Vec::new(), ..outcome.clone() },
        "{}",
        made.text
    );
    (outcome, made.text)
}

const BEGIN: &str = "case: an order\ninput: { text: hello, parts: [ a, b, c ] }\n";
const PARTS: &str = "  box.put: [ { value: 1 }, { fail: tool_error, phase: not_sent }, { value: 2 }, { value: 3 } ]\n";

#[test]
fn an_edit_of_a_person_is_what_is_expected_and_everything_said_is_said_again() {
    let text = format!(
        "{BEGIN}at: 2026-03-02T10:00:00Z\nanswers:\n  judged: [ {{ fail: provider_overloaded, retry_after: 3s }}, {{ fail: refused, usage: {{ input: 7 }} }} ]\n\
         tools:\n{PARTS}  post.send: [ {{ fail: tool_timeout }} ]\npeople:\n  - {{ answer: judged, by: ann, value: {{ value: {{ ok: true }} }} }}\n  \
         - {{ resolve: sent, by: ann, as: performed, value: {{ id: 4 }}, reason: it stands there, after: 90m }}\n  \
         - {{ signal: paid, by: shop, value: {{ cents: 5 }}, after: 5m }}\n  - {{ approve: agreed, by: ann }}\n"
    );
    let (outcome, made) = round(&text);
    assert_eq!(outcome.status, "completed", "{outcome:?}");
    assert_eq!(outcome.result.as_ref().and_then(|result| result.get("judged")), Some(&true.into()));
    for wanted in ["fail: refused", "retry_after: 3s", "after: 90m", "external", "usage: { input: 7 }"] {
        assert_eq!(made.contains(wanted), wanted != "external", "{wanted}\n{made}");
    }
}

#[test]
fn silence_a_no_and_an_end_in_the_middle_are_recorded_as_well() {
    const PARTS: &str = "  box.put: [ { value: 1 }, { value: 2 }, { value: 3 } ]\n";
    let begin = format!(
        "{BEGIN}answers:\n  judged: [ {{ value: {{ ok: false }} }} ]\ntools:\n{PARTS}  post.send: [ {{ value: {{ id: 4 }} }} ]\n"
    );
    let (outcome, _) = round(&format!("{begin}people:\n  - {{ reject: agreed, by: ann, reason: not now }}\n"));
    assert_eq!((outcome.status, outcome.failure.as_deref()), ("failed", Some("approval_rejected")));
    let (outcome, _) = round(&format!("{begin}expect: {{ status: waiting }}\n"));
    assert!(outcome.status == "waiting" && outcome.waits_for.is_some(), "{outcome:?}");
    let (outcome, _) = round(&format!("{begin}people:\n  - {{ signal: paid }}\n  - {{ cancel: true, by: ann }}\n"));
    assert_eq!(outcome.status, "cancelled");
    let (outcome, made) =
        round(&format!("{begin}people:\n  - {{ pause: true, by: ann }}\nexpect: {{ status: paused }}\n"));
    assert!(outcome.status == "paused" && made.contains("pause: true"), "{made}");
}

#[test]
fn what_differs_from_run_to_run_is_not_told() {
    let line = "s: run_01a19bb395007f5f9f5f5f5f5f5f5f5f at 2026-11-29T00:10:19.507Z (apr_0123456789abcdef) <20 bytes, ab12cd> of bundle 0a1b";
    assert_eq!(plainly(line), "s: RUN at TIME <20 bytes>");
    for same in ["x 2026-11-29 y", "run_1 (apr_x)", "a20261129T"] {
        assert_eq!(plainly(same), same);
    }
}

const DESK: &str = "workflow: desk
input: schemas/order.yaml
result: { value: =bills }
stages:
  - stage: only
    steps:
      - step: bills
        each: input.parts
        as: part
        max_parallel: 3
        steps:
          - step: bill
            handoff: { to: { workflow: billing }, task: Bill, with: { text: =part }, contract: schemas/billed.yaml, accept: claims }
";

const BILLING: &str = "workflow: billing
input: schemas/part.yaml
result: { schema: schemas/billed.yaml, value: { cents: =judged.cents, id: =sent.id } }
stages:
  - stage: only
    steps:
      - step: judged
        reason: prompts/judge.md
        model: small
        see: { text: input.text }
        output: schemas/judged.yaml
      - step: agreed
        approve: { of: desk, ask: Is it well? }
      - step: sent
        act: post.send
        with: { text: =input.text }
";

#[test]
fn what_is_done_in_runs_that_were_handed_work_is_recorded_with_it() {
    let setting = of_files(&[
        ("surefoot.yaml", "project: test\nmodels: { small: { provider: registered } }\n"),
        ("people.yaml", "groups: { desk: {} }\npeople: { ann: { name: Ann, groups: [ desk ] } }\n"),
        ("workflows/desk.yaml", DESK),
        ("workflows/billing.yaml", BILLING),
        ("prompts/judge.md", "How much? {{ text }}\n"),
        (
            "schemas/order.yaml",
            "type: object\nrequired: [ parts ]\nproperties: { parts: { type: array, items: { type: string } } }\n",
        ),
        ("schemas/part.yaml", "type: object\nrequired: [ text ]\nproperties: { text: { type: string } }\n"),
        ("schemas/judged.yaml", "type: object\nrequired: [ cents ]\nproperties: { cents: { type: integer } }\n"),
        (
            "schemas/billed.yaml",
            "type: object\nrequired: [ cents, id ]\nproperties: { cents: { type: integer }, id: { type: integer } }\n",
        ),
        ("schemas/sent.yaml", "type: object\nrequired: [ id ]\nproperties: { id: { type: integer } }\n"),
        (
            "tools/post.yaml",
            "tool: post\nnative: true\noperations: { send: { effect: at_most_once, returns: schemas/sent.yaml } }\n",
        ),
        ("policies/allow/all.cedar", "@id(\"all\")\npermit (principal, action, resource);\n"),
    ]);
    let text = "case: bills\nworkflow: desk\ninput: { parts: [ a, b, c ] }\nanswers:\n  \
                judged: [ { value: { cents: 1 } }, { value: { cents: 2 } }, { value: { cents: 3 } } ]\ntools:\n  \
                post.send: [ { value: { id: 7 } }, { value: { id: 8 } }, { value: { id: 9 } } ]\npeople:\n  \
                - { approve: agreed, by: ann }\n  - { approve: agreed, by: ann, after: 30m }\n  - { approve: agreed, by: ann }\n";
    let (outcome, made) = round_in(&setting, text);
    let wanted = br#"[{"cents":1,"id":7},{"cents":2,"id":8},{"cents":3,"id":9}]"#;
    assert_eq!(outcome.result, Value::from_json(wanted).ok(), "{outcome:?}");
    for wanted in ["step: sent", "after: 30m", "cents: 3"] {
        assert!(made.contains(wanted), "{wanted}\n{made}");
    }
    // An answer of a workflow that it hands nothing to is none of the case.
    let strange = text.replace("judged:", "jugded:");
    let wrong =
        read(&"cases/a.yaml".into(), &strange, (&setting.project, &setting.sources, Path::new("."))).unwrap_err();
    assert!(wrong[0].to_string().contains("has no step `jugded`"), "{}", wrong[0]);
}
