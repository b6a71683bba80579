//! `surefoot test`, `surefoot rehearse` and recorded cases, as printed.

mod common;

use common::Place;
use expect_test::expect;

const WORKFLOW: &str = "\
workflow: pay
input: schemas/input.yaml
result: { value: =paid }
stages:
  - stage: look
    steps:
      - step: judge
        reason: prompts/judge.md
        model: small
        see: { text: input.text }
        output: schemas/judged.yaml
      - step: route
        decide:
          - { when: not judge.pays, then: kept }
        otherwise: next
  - stage: pay
    steps:
      - step: paid
        when: judge.pays
        act: bank.pay
        with: { cents: =judge.cents }
  - stage: kept
    steps:
      - step: noted
        set: nothing is paid
done_when:
  - { performed: bank.pay, when: ran(paid) }
";

const CASE: &str = "\
# What this shows.
case: a bill is paid
input: { text: one }
answers:
  judge: [ { value: { pays: true, cents: 100 } } ]
tools:
  bank.pay: [ { value: { id: 7 } } ]
";

/// A bank that is asked to pay, and asks people above 500.
fn bank() -> Place {
    let place = Place::new();
    let files = [
        ("surefoot.yaml", "project: bank\nmodels: { small: { provider: registered } }\n"),
        ("people.yaml", "groups: { desk: {} }\npeople: { ann: { name: Ann, groups: [ desk ] }, bob: { name: Bob } }\n"),
        ("workflows/pay.yaml", WORKFLOW),
        ("prompts/judge.md", "Is this a bill? {{ text }}\n"),
        ("schemas/input.yaml", "type: object\nrequired: [ text ]\nproperties: { text: { type: string } }\n"),
        (
            "schemas/judged.yaml",
            "type: object\nrequired: [ pays, cents ]\nproperties: { pays: { type: boolean }, cents: { type: integer } }\n",
        ),
        ("schemas/cents.yaml", "type: object\nrequired: [ cents ]\nproperties: { cents: { type: integer } }\n"),
        ("schemas/paid.yaml", "type: object\nrequired: [ id ]\nproperties: { id: { type: integer } }\n"),
        (
            "tools/bank.yaml",
            "tool: bank\nnative: true\noperations:\n  pay:\n    effect: at_most_once\n    params: schemas/cents.yaml\n    \
             returns: { schema: schemas/paid.yaml, labels: [ trusted ] }\n    counts: { paid_1d: { by: =with.cents, sum: =with.cents, window: 24h } }\n",
        ),
        (
            "policies/allow/pay.cedar",
            "@id(\"pay\")\npermit (principal is Step in Workflow::\"pay\", action == Action::\"bank.pay\", resource);\n",
        ),
        (
            "policies/ask/pay.cedar",
            "@id(\"large\") @reason(\"more than the desk pays alone\")\n@approve_by(\"desk\") @expires(\"4h\") @editable(\"cents\")\n\
             forbid (principal, action == Action::\"bank.pay\", resource)\nwhen { context.input.cents > 500 || context.history.paid_1d > 1000 };\n",
        ),
    ];
    files.iter().for_each(|(file, text)| place.write(file, text));
    place
}

#[test]
fn what_comes_is_written_into_the_case_and_the_rest_of_it_stays() {
    let place = bank();
    place.write("cases/paid.yaml", CASE);
    let said = place.call(&["test"]);
    assert_eq!(said.code, 3);
    assert!(said.out.contains("cases/paid.yaml:2: nothing is expected"), "{}", said.out);
    place.ok(&["test", "--update"]);
    let text = std::fs::read_to_string(place.path().join("cases/paid.yaml")).unwrap();
    assert!(text.starts_with(CASE), "{text}");
    expect![[r#"
        expect:
          status: completed
          result: { id: 7 }
          story: |
            run started: pay
            judge: asked model small, about 71 tokens
            judge: answered {"cents":100,"pays":true}
            route: decided next by otherwise
            stage look done
            paid: started bank.pay {"cents":100}
            paid: finished {"id":7}
            stage pay done
            run completed {"id":7}
    "#]]
    .assert_eq(&text[CASE.len()..]);
    assert_eq!(place.ok(&["test"]), "ok a bill is paid  cases/paid.yaml  completed\n1 case, all hold\n");
    // A comment inside, and only what stands there is written anew.
    let short = format!("{CASE}expect:\n  # It must end well.\n  status: failed\n  # One payment.\n  acts: []\n");
    place.write("cases/paid.yaml", &short);
    place.ok(&["test", "--update"]);
    let text = std::fs::read_to_string(place.path().join("cases/paid.yaml")).unwrap();
    let wanted = "expect:\n  # It must end well.\n  status: completed\n  # One payment.\n  acts: [ bank.pay ]\n";
    assert_eq!(&text[CASE.len()..], wanted);
}

#[test]
fn a_difference_is_shown_where_it_stands() {
    let place = bank();
    place.write("cases/paid.yaml", CASE);
    place.ok(&["test", "--update"]);
    place.edit("cases/paid.yaml", "paid: started bank.pay {\"cents\":100}", "paid: started bank.pay {\"cents\":99}");
    place.edit("cases/paid.yaml", "status: completed", "status: failed");
    let said = place.call(&["test"]);
    assert_eq!(said.code, 3);
    expect![[r#"
        wrong a bill is paid  cases/paid.yaml  completed
           cases/paid.yaml:9: status is otherwise
             - failed
             + completed
           cases/paid.yaml:17: story is otherwise
               (3 lines as expected)
               route: decided next by otherwise
               stage look done
             - paid: started bank.pay {"cents":99}
             + paid: started bank.pay {"cents":100}
               paid: finished {"id":7}
               stage pay done
               (1 line as expected)
        1 case, 1 wrong
    "#]]
    .assert_eq(&said.out);
    let said = place.call(&["test", "--json"]);
    let one: serde_json::Value = serde_json::from_str(said.out.lines().next().unwrap()).unwrap();
    assert_eq!((one["ok"].as_bool(), one["differences"][1]["at"].as_str()), (Some(false), Some("cases/paid.yaml:17")));
}

#[test]
fn an_answer_that_is_missing_and_one_that_nobody_asks_for_are_errors() {
    let place = bank();
    let end = "expect:\n  status: completed\n";
    place.write("cases/a.yaml", &format!("case: no model\ninput: {{ text: one }}\n{end}"));
    place
        .write("cases/b.yaml", &format!("{}{end}", CASE.replace("tools:\n  bank.pay: [ { value: { id: 7 } } ]\n", "")));
    let more = CASE.replace("{ value: { id: 7 } } ]", "{ value: { id: 7 } }, { value: { id: 8 } } ]");
    place.write("cases/c.yaml", &format!("{more}people:\n  - {{ approve: paid, by: ann }}\n{end}"));
    let said = place.call(&["test"]);
    assert_eq!(said.code, 3);
    expect![[r#"
        wrong no model  cases/a.yaml  unanswered
           cases/a.yaml: no answer for `judge`, which asks the model `small` (attempt 1) and shows {"text":"one"}
        wrong a bill is paid  cases/b.yaml  unanswered
           cases/b.yaml: no answer for `paid`, which calls bank.pay (attempt 1) with {"cents":100}
        wrong a bill is paid  cases/c.yaml  completed
           cases/c.yaml:7: this answer of `tools.bank.pay` was never asked for
           cases/c.yaml:9: nobody had the occasion to say this: what it is about was never asked
        3 cases, 3 wrong
    "#]]
    .assert_eq(&said.out);
}

#[test]
fn people_decide_by_the_rules_of_the_project_and_time_passes_by_itself() {
    let place = bank();
    let large = CASE.replace("cents: 100", "cents: 900");
    let no_call = large.replace("tools:\n  bank.pay: [ { value: { id: 7 } } ]\n", "");
    let (yes, no) = ("- { approve: paid, by: ann, after: 1h }", "- { reject: paid, by: ann, reason: not now }");
    let waits = "expect:\n  status: waiting\n  waits_for: 'desk to approve: Call bank.pay with {\"cents\":900} [large]'\n  acts: []\n";
    let bob = "- { approve: paid, by: bob, refused: true }";
    place.write(
        "cases/a.yaml",
        &format!("{large}people:\n  {bob}\n  {yes}\nexpect:\n  status: completed\n  acts: [ bank.pay ]\n"),
    );
    place.write(
        "cases/b.yaml",
        &format!("{no_call}people:\n  {no}\nexpect:\n  status: failed\n  failure: approval_rejected\n"),
    );
    place.write("cases/c.yaml", &format!("{no_call}expect:\n  status: failed\n  failure: approval_expired\n"));
    place.write("cases/d.yaml", &format!("{no_call}{waits}"));
    // An edit is what is done then; a sum of the day counts as well.
    let edited = large.replace("{ value: { id: 7 } }", "{ with: { cents: 400 }, value: { id: 7 } }");
    place.write(
        "cases/e.yaml",
        &format!("{edited}people:\n  - {{ edit: paid, by: ann, with: {{ cents: 400 }} }}\nexpect:\n  status: completed\n  result: {{ id: 7 }}\n"),
    );
    place.write(
        "cases/f.yaml",
        &format!("{}history: {{ paid_1d: 1001 }}\nexpect:\n  status: waiting\n", no_call.replace("900", "1")),
    );
    let said = place.call(&["test"]);
    assert!(said.code == 0 && said.out.contains("6 cases, all hold"), "{}", said.out);
    // Who may not decide decides nothing, and the case says so.
    place.write(
        "cases/g.yaml",
        &format!("{large}people:\n  - {{ approve: paid, by: bob }}\nexpect:\n  status: completed\n"),
    );
    let said = place.call(&["test", "cases/g.yaml"]);
    assert!(said.out.contains("cases/g.yaml:9: this is not taken: `bob` is in none of the groups"), "{}", said.out);
    assert_eq!(said.code, 3);
}

#[test]
fn a_stage_or_a_step_alone_begins_with_what_is_given() {
    let place = bank();
    let stage = "case: one stage\nstage: pay\ngiven: { judge: { pays: true, cents: 3 } }\n\
                 tools:\n  bank.pay: [ { fail: tool_rejected, detail: no such account } ]\nexpect:\n  status: failed\n  failure: tool_rejected\n";
    let step = "case: one step\nstep: route\ngiven: { judge: { pays: false, cents: 3 } }\nexpect:\n  status: done\n  story: |\n    route: decided kept by rule 1\n";
    place.write("cases/stage.yaml", stage);
    place.write("cases/step.yaml", step);
    place.ok(&["test"]);
}

#[test]
fn what_a_case_names_and_there_is_not_is_said_with_its_place() {
    let place = bank();
    place.write(
        "cases/a.yaml",
        "case: wrong names\nworkflow: pay\ninput: { text: one }\nhistory: { paid_2d: 1 }\nanswers: { juge: [] }\n\
         tools: { bank.pya: [ { value: 1, fail: tool_error } ] }\npeople: [ { approve: paid } ]\nexpect: { status: wating }\n",
    );
    place.write("cases/b.yaml", "case: wrong parts\nstage: pay\nstep: paid\ngiven: { jugde: 1 }\n");
    place.write("cases/c.yaml", "case: given to all\ninput: { text: one }\ngiven: { judge: 1 }\n");
    let said = place.call(&["test"]);
    assert_eq!(said.code, 3);
    expect![[r#"
        wrong cases/a.yaml
        cases/a.yaml:4:12: error[W215]: no operation counts `paid_2d`
            4 | history: { paid_2d: 1 }
              |            ^^^^^^^
           help: did you mean `paid_1d`?
        cases/a.yaml:5:12: error[W215]: the workflow `pay` has no step `juge`
            5 | answers: { juge: [] }
              |            ^^^^
           help: did you mean `judge`?
        cases/a.yaml:6:10: error[W215]: no tool has the operation `bank.pya`
            6 | tools: { bank.pya: [ { value: 1, fail: tool_error } ] }
              |          ^^^^^^^^
           help: did you mean `bank.pay`?
        cases/a.yaml:6:22: error[W003]: an answer has exactly one of `value`, `file` and `fail`
            6 | tools: { bank.pya: [ { value: 1, fail: tool_error } ] }
              |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        cases/a.yaml:7:11: error[W003]: what somebody says needs `by`
            7 | people: [ { approve: paid } ]
              |           ^^^^^^^^^^^^^^^^^^
        cases/a.yaml:8:19: error[W005]: `wating` cannot stand here
            8 | expect: { status: wating }
              |                   ^^^^^^
           help: did you mean `waiting`?
        wrong cases/b.yaml
        cases/b.yaml:3:7: error[W216]: a case is about a `stage` or about a `step`, not both
            3 | step: paid
              |       ^^^^
        cases/b.yaml:4:10: error[W215]: the workflow `pay` has no step `jugde`
            4 | given: { jugde: 1 }
              |          ^^^^^
           help: did you mean `judge`?
        wrong cases/c.yaml
        cases/c.yaml:3:8: error[W216]: `given` says what steps before a `stage` or a `step` gave: a whole workflow begins with its input
            3 | given: { judge: 1 }
              |        ^^^^^^^^^^^^
        3 cases, 3 wrong
    "#]].assert_eq(&said.out);
    // `check` says the same; a run does without cases.
    let said = place.call(&["check"]);
    assert!(said.code == 3 && said.out.contains("cases/b.yaml:3:7: error[W216]"), "{}", said.out);
    let said = place.call(&["test", "cases/nothing.yaml"]);
    assert!(said.code == 4 && said.err.contains("no case is called `cases/nothing.yaml`"), "{}", said.err);
}

#[test]
fn a_rehearsal_says_how_each_failure_ends_and_what_a_person_would_do() {
    let place = bank();
    place.write("cases/paid.yaml", CASE);
    let out = place.ok(&["rehearse"]);
    expect![[r#"
        judge  cases/paid.yaml
          provider_rate_limited (once, dies before, dies after)      ends well  1 effect, 3 calls
          provider_rate_limited (always)                             fails: provider_rate_limited: the rehearsal lets it fail  0 effects, 5 calls
          provider_spend_limit (once, always, dies after)            fails: provider_spend_limit: the rehearsal lets it fail  0 effects, 1 call
          provider_spend_limit (dies before)                         ends well  1 effect, 3 calls
          provider_overloaded (once, dies before, dies after)        ends well  1 effect, 3 calls
          provider_overloaded (always)                               fails: provider_overloaded: the rehearsal lets it fail  0 effects, 5 calls
          provider_auth (once, always, dies after)                   fails: provider_auth: the rehearsal lets it fail  0 effects, 1 call
          provider_auth (dies before)                                ends well  1 effect, 3 calls
          refused (once, always, dies after)                         fails: refused: the rehearsal lets it fail  0 effects, 1 call
          refused (dies before)                                      ends well  1 effect, 3 calls
          truncated (once, always, dies after)                       fails: truncated: the rehearsal lets it fail  0 effects, 1 call
          truncated (dies before)                                    ends well  1 effect, 3 calls
          invalid_output (once, dies before, dies after)             ends well  1 effect, 3 calls
          invalid_output (always)                                    fails: no_progress: the same failure twice, although something was changed: invalid_output: the rehearsal lets it fail  0 effects, 2 calls
          context_overflow (once, always, dies after)                fails: context_overflow: the rehearsal lets it fail  0 effects, 1 call
          context_overflow (dies before)                             ends well  1 effect, 3 calls
          provider_error, maybe sent (once, dies before, dies after) ends well  1 effect, 3 calls
          provider_error, maybe sent (always)                        fails: provider_error: the rehearsal lets it fail  0 effects, 5 calls
          provider_timeout, maybe sent (once, dies before, dies after) ends well  1 effect, 3 calls
          provider_timeout, maybe sent (always)                      fails: provider_timeout: the rehearsal lets it fail  0 effects, 5 calls
          the process dies, a model is asked (dies before, dies after) ends well  1 effect, 2 calls
          the process dies, a model answers (dies before, dies after) ends well  1 effect, 3 calls
        route  cases/paid.yaml
          the process dies, a branch is chosen (dies before, dies after) ends well  1 effect, 2 calls
        paid  cases/paid.yaml
          tool_error, not sent (once, dies after)                    ends well  1 effect, 3 calls
          tool_error, not sent (always)                              fails: tool_error: the rehearsal lets it fail  0 effects, 6 calls
          tool_error, not sent (dies before)                         waits for a person to resolve `bank.pay` at `paid` [find out what became of `paid`]  0 effects, 2 calls
          tool_rejected (once, always, dies after)                   fails: tool_rejected: the rehearsal lets it fail  0 effects, 2 calls
          tool_rejected (dies before)                                waits for a person to resolve `bank.pay` at `paid` [find out what became of `paid`]  0 effects, 2 calls
          tool_timeout, maybe sent (once, always, dies before, dies after) waits for a person to resolve `bank.pay` at `paid` [find out what became of `paid`]  0 effects, 2 calls
          tool_error, maybe sent (once, always, dies before, dies after) waits for a person to resolve `bank.pay` at `paid` [find out what became of `paid`]  0 effects, 2 calls
          tool_timeout, maybe sent, performed (once, always, dies before, dies after) waits for a person to resolve `bank.pay` at `paid` [find out what became of `paid`]  1 effect, 2 calls
          tool_error, maybe sent, performed (once, always, dies before, dies after) waits for a person to resolve `bank.pay` at `paid` [find out what became of `paid`]  1 effect, 2 calls
          contract_violated, performed (once, always, dies after)    fails: contract_violated: `bank.pay` answered against its schema: the value: "no such form" is not an object  1 effect, 2 calls
          contract_violated, performed (dies before)                 waits for a person to resolve `bank.pay` at `paid` [find out what became of `paid`]  1 effect, 2 calls
          permission_denied (once)                                   fails: permission_denied: The rehearsal denies it  0 effects, 1 call
          the process dies, an action starts (dies before)           ends well  1 effect, 2 calls
          the process dies, an action starts (dies after)            waits for a person to resolve `bank.pay` at `paid` [find out what became of `paid`]  0 effects, 1 call
          the process dies, an action finishes (dies before)         waits for a person to resolve `bank.pay` at `paid` [find out what became of `paid`]  1 effect, 2 calls
          the process dies, an action finishes (dies after)          ends well  1 effect, 2 calls

        79 plays: 28 fails, 21 waits, 30 well; no effect twice or lost, no silent end
    "#]].assert_eq(&out);
    // The same again, one object a cell, and the order does not depend on threads.
    let first = place.ok(&["rehearse", "--json", "pay"]);
    assert_eq!(first, place.ok(&["rehearse", "--json", "--case", "cases/paid.yaml"]));
    let lines: Vec<serde_json::Value> = first.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.last().unwrap();
    assert!(summary["ok"] == true && summary["cells"].as_u64() == Some(lines.len() as u64 - 1), "{summary}");
    // A workflow is meant, not a folder.
    let said = place.call(&["rehearse", "cases"]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.contains("the project has no workflow `cases`"), "{}", said.err);
    assert!(said.err.contains("surefoot rehearse --project cases"), "{}", said.err);
    // A case that does not hold is no plain path.
    place.write("cases/paid.yaml", &format!("{CASE}expect:\n  status: completed\n  acts: []\n"));
    let said = place.call(&["rehearse"]);
    assert!(said.code == 4 && said.err.contains("cases/paid.yaml:10: the case does not hold"), "{}", said.err);
    // What cannot be sent again waits for who finds out.
    let lost =
        lines.iter().find(|cell| cell["failure"] == "tool_timeout, maybe sent, performed" && cell["how"] == "once");
    let lost = lost.unwrap();
    assert_eq!((lost["ending"].as_str(), lost["effects"].as_u64()), (Some("waits"), Some(1)), "{lost}");
    assert_eq!(lost["person"][0], "find out what became of `paid`");
}

#[test]
fn a_demo_run_becomes_a_case() {
    let place = Place::with_demo();
    place.ok(&["run", "demo"]);
    place.ok(&["runs", "export", "last", "demo", "--case", "demo/cases/recorded.yaml"]);
    let said = place.call(&["test", "demo"]);
    assert!(said.code == 0 && said.out.contains("2 cases, all hold"), "{}{}", said.out, said.err);
    let text = std::fs::read_to_string(place.path().join("demo/cases/recorded.yaml")).unwrap();
    assert!(text.starts_with("case: recorded\nworkflow: report\n"), "{text}");
}
