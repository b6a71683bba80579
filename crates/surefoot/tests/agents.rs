//! An agent on the command line: what it does, what it says it did, and where that is shown.

mod common;

use common::{Place, stable};
use expect_test::expect;

const CONTENT: [(&str, &str); 8] = [
    ("surefoot.yaml", "project: demo\nmodels: { small: { provider: scripted, answers: cases/answers.yaml } }\n"),
    (
        "workflows/keep.yaml",
        "workflow: keep
input: schemas/input.yaml
result: { value: =note.summary }
stages:
  - stage: only
    steps:
      - step: note
        agent: prompts/note.md
        model: small
        see: { text: input.text }
        tools: [ notebook.list, notebook.save ]
        limits: { turns: 4, actions: 3 }
        output: schemas/noted.yaml
",
    ),
    ("schemas/nothing.yaml", "type: object\nadditionalProperties: false\n"),
    ("schemas/line.yaml", "type: object\nrequired: [line]\nproperties: { line: { type: string } }\n"),
    ("prompts/note.md", "Keep {{ text }} in the notebook.\n"),
    (
        "schemas/input.yaml",
        "type: object\nrequired: [text]\nproperties: { text: { type: string, x-labels: [trusted] } }\n",
    ),
    (
        "schemas/noted.yaml",
        "type: object
required: [summary, claims]
properties:
  summary: { type: string }
  claims:
    type: array
    items:
      type: object
      required: [says, action, status]
      properties:
        says: { type: string }
        action: { type: string }
        resource: { type: string }
        status: { enum: [succeeded, failed] }
        evidence: { type: string }
",
    ),
    (
        "tools/notebook.yaml",
        "tool: notebook
native: true
operations:
  list: { effect: read, params: schemas/nothing.yaml }
  save:
    effect: idempotent
    params: schemas/line.yaml
    says: \"Write {{ with.line }} down\"
",
    ),
];

const FIRST: &str = "answers:
  - step: note[0]/ask
    propose: [ { notebook.list: {} }, { notebook.save: { line: =text } } ]
";

fn ran(answer: &str) -> (Place, String) {
    let place = Place::new();
    for (file, text) in CONTENT {
        place.write(&format!("demo/{file}"), text);
    }
    place.write("demo/cases/answers.yaml", &format!("{FIRST}  - step: note[1]/ask\n    value: {answer}\n"));
    place.write("input.json", r#"{"text": "milk"}"#);
    let said = place.call(&["run", "demo", "--input", "input.json"]);
    let code = format!("{}{}--- {}\n", said.out, said.err, said.code);
    (place, code)
}

fn shown(place: &Place, args: &[&str]) -> String {
    let said = place.call(args);
    stable(&format!("{}{}--- {}\n", said.out, said.err, said.code))
}

#[test]
fn what_an_agent_did_and_says_it_did_is_shown_with_its_evidence() {
    let claim = "{ says: I kept it, action: notebook.save, status: succeeded, evidence: =evidence.notebook__save }";
    let (place, told) = ran(&format!("{{ summary: kept, claims: [ {claim} ] }}"));
    assert!(told.ends_with("--- 0\n"), "{told}");
    let show = shown(&place, &["runs", "show", "last", "demo"]);
    let claims: String =
        show.lines().filter(|line| line.starts_with("claims")).map(|line| format!("{line}\n")).collect();
    expect![[r#"
        claims    note[1]/ask: verified `notebook.save` (<run 1>/7), “I kept it”
    "#]]
    .assert_eq(&claims);
    let why = shown(&place, &["runs", "why", "last", "note[1]/ask", "demo"]);
    let claims: String =
        why.lines().map(str::trim).filter(|line| line.starts_with("claim ")).map(|line| format!("{line}\n")).collect();
    expect![[r#"
                    claim verified: `notebook.save` (<run 1>/7), “I kept it”
    "#]]
    .assert_eq(&claims);
    let evidence = shown(&place, &["evidence", "show", "last", "demo"]);
    let claims: Vec<&str> = evidence.lines().skip_while(|line| !line.starts_with("verified")).collect();
    expect![[r#"
        verified `notebook.save` (<run 1>/7), “I kept it”
            claimed at note[1]/ask, entry 11
        --- 0"#]]
    .assert_eq(&claims.join("\n"));
    expect![[r#"
        keep · keep
        └─ stage only
           └─ note  agent by small, may notebook.list, notebook.save, at most 4 turns and 3 actions
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["graph", "demo"]));
}

#[test]
fn what_was_never_done_is_shown_as_refuted_and_the_run_does_not_complete() {
    let claim = "{ says: I sent the e-mail, action: mail.send, status: succeeded }";
    let (place, told) = ran(&format!("{{ summary: kept, claims: [ {claim} ] }}"));
    assert!(!told.ends_with("--- 0\n") && told.contains("unsupported_claim"), "{told}");
    let show = shown(&place, &["runs", "show", "last", "demo"]);
    let from = show.find("claims").unwrap_or_default();
    let claims: Vec<&str> = show[from..].lines().take(2).collect();
    expect![[r#"
        claims    note[1]/ask: refuted `mail.send`, “I sent the e-mail”: nothing of that kind was done in this step
                  note[1]/ask: unsupported `notebook.save` (<run 1>/7): it was done, and no claim names it"#]]
    .assert_eq(&claims.join("\n"));
    let exported = place.call(&["evidence", "export", "last", "demo"]);
    assert!(
        exported.out.contains(r#"\"standing\":\"refuted\""#) || exported.out.contains(r#""standing":"refuted""#),
        "{}",
        exported.out
    );
    let json = place.call(&["--json", "evidence", "show", "last", "demo"]);
    assert!(json.out.contains(r#""kind":"claim""#) && json.out.contains(r#""standing":"unsupported""#), "{}", json.out);
}

#[test]
fn a_case_answers_an_agent_turn_by_turn() {
    let place = Place::new();
    for (file, text) in CONTENT {
        place.write(&format!("demo/{file}"), text);
    }
    place.write("demo/cases/answers.yaml", FIRST);
    let case = "case: nothing is kept
workflow: keep
input: { text: milk }
answers:
  \"note[0]/ask\": [ { proposes: [ { name: notebook__list, arguments: {} } ] } ]
  \"note[1]/ask\": [ { proposes: [ { name: answer, arguments: { summary: nothing, claims: [] } } ] } ]
tools:
  notebook.list: [ { value: [] } ]
expect: { status: completed, result: nothing }
";
    place.write("demo/cases/nothing.yaml", case);
    let said = place.call(&["test", "demo"]);
    assert_eq!((said.code, said.out.lines().last()), (0, Some("1 case, all hold")), "{}{}", said.out, said.err);
    // A turn stands below a step that proposes, and nowhere else.
    for wrong in ["notes[0]/ask", "note[0]/answer"] {
        place.write("demo/cases/nothing.yaml", &case.replace("note[0]/ask", wrong));
        let said = place.call(&["test", "demo"]);
        assert!(
            said.code == 3 && format!("{}{}", said.out, said.err).contains("W215"),
            "{wrong}: {}{}",
            said.out,
            said.err
        );
    }
}
