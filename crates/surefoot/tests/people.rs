//! Questions to people and work for them, on the command line.

mod common;

use common::{Place, stable};
use expect_test::expect;

const CONTENT: [(&str, &str); 6] = [
    ("surefoot.yaml", "project: demo\n"),
    (
        "workflows/call.yaml",
        "workflow: call
input: schemas/input.yaml
result: { value: { call: =call.reached, ask: =ask.answer.window } }
stages:
  - stage: only
    steps:
      - step: call
        handoff:
          to: { person: desk }
          task: Call {{ input.phone }} back
          with: { phone: =input.phone, text: =input.text }
          contract: schemas/called.yaml
          timeout: 2d
      - step: ask
        approve:
          ask: Write to {{ input.phone }} as well?
          of: [ desk, leads ]
          expires: 4h
          evidence: { text: =input.text }
          form: schemas/window.yaml
",
    ),
    (
        "schemas/input.yaml",
        "type: object\nrequired: [phone, text]\nproperties: { phone: { type: string, x-labels: [trusted] }, text: { type: string } }\n",
    ),
    ("schemas/called.yaml", "type: object\nrequired: [reached]\nproperties: { reached: { type: boolean } }\n"),
    ("schemas/window.yaml", "type: object\nrequired: [window]\nproperties: { window: { enum: [night, day] } }\n"),
    (
        "people.yaml",
        "groups: { desk: {}, leads: {} }
people:
  sue: { name: Sue, groups: [desk] }
  tom: { name: Tom, groups: [desk] }
  ann: { name: Ann, groups: [leads] }
",
    ),
];

fn begun() -> Place {
    let place = Place::new();
    for (file, text) in CONTENT {
        place.write(&format!("demo/{file}"), text);
    }
    place.write("input.json", r#"{"phone": "555", "text": "call me\u202e now"}"#);
    let said = place.call(&["run", "demo", "--input", "input.json", "--as", "tom"]);
    assert!(said.out.contains("handed to desk"), "{}{}", said.out, said.err);
    place
}

/// What is printed, without ids of work and approvals.
fn shown(place: &Place, args: &[&str]) -> String {
    let said = place.call(args);
    let text = stable(&format!("{}{}--- {}\n", said.out, said.err, said.code));
    let words = text.split_inclusive(' ').map(|word| match word.trim_end() {
        id if id.starts_with("wrk_") && id != "wrk_none" => word.replace(id, "WORK"),
        id if id.starts_with("apr_") => word.replace(id, "APPROVAL"),
        _ => word.to_owned(),
    });
    words.collect()
}

fn json(place: &Place, args: &[&str]) -> serde_json::Value {
    let said = place.ok(args);
    serde_json::from_str(said.lines().next().unwrap()).unwrap_or_else(|why| panic!("{why}: {said}"))
}

#[test]
fn work_is_listed_shown_taken_passed_on_and_done_and_the_run_goes_on() {
    let place = begun();
    let work = json(&place, &["work", "ls", "demo", "--json"])["work"].as_str().unwrap().to_owned();
    let end = &work[work.len() - 6..];
    expect![[r#"
        WORK open Call 555 back
            for desk, until <time>, run <run 1> at `call`
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["work", "ls", "demo"]));
    expect![[r#"
        Call 555 back
          fact    phone = "555"
          claim   text = "call me⟨U+202E⟩ now"  (from input.text)
          answer  {"properties":{"reached":{"type":"boolean"}},"required":["reached"],"type":"object"}
          for     desk, until <time>
          by      run <run 1> at `call`
          state   open
        answer it: surefoot work answer WORK demo --with JSON --as PERSON
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["work", "show", end, "demo"]));
    expect![[r#"
        error: `ann` is not in the group `desk`, whose work this is
        --- 9
    "#]]
    .assert_eq(&shown(&place, &["work", "claim", end, "demo", "--as", "ann"]));
    expect![[r#"
        claimed WORK is for sue now
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["work", "claim", end, "demo", "--as", "sue"]));
    expect![[r#"
        reassigned WORK is for tom now
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["work", "reassign", end, "demo", "--to", "tom", "--as", "sue"]));
    let answer =
        |with: &str, by: &str| shown(&place, &["work", "answer", end, "demo", "--with", with, "--as", by, "--no-run"]);
    expect![[r#"
        error: `tom` has taken this work: nobody else does it
        --- 9
    "#]]
    .assert_eq(&answer(r#"{"reached": true}"#, "sue"));
    expect![[r#"
        error: the answer does not keep the contract: `/reached`: 1 is not true or false
        --- 9
    "#]]
    .assert_eq(&answer(r#"{"reached": 1}"#, "tom"));
    expect![[r#"
        error: the answer is no JSON
          because: expected value at line 1 column 1
          try: --with '{"done": true}', or --with @FILE
        --- 2
    "#]]
    .assert_eq(&answer("reached", "tom"));
    expect![[r#"
        recorded WORK by tom
        --- 0
    "#]]
    .assert_eq(&answer(r#"{"reached": true}"#, "tom"));
    let card = json(&place, &["work", "show", end, "demo", "--json"]);
    assert_eq!(card["card"]["evidence"]["text"]["standing"], "claim");
    assert_eq!(card["card"]["evidence"]["phone"]["standing"], "fact");
    assert_eq!((&card["claimed_by"], &card["group"]), (&"tom".into(), &"desk".into()));
    // Said again, and this time the run goes on, to its question.
    let said = place.call(&["work", "answer", end, "demo", "--with", r#"{"reached": true}"#, "--as", "tom"]);
    assert!(said.out.contains("as before") && said.out.contains("call: done by tom"), "{}{}", said.out, said.err);
    expect![[r#"
        no work waits for people
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["work", "ls", "demo"]));

    let ask = json(&place, &["approvals", "ls", "demo", "--json"])["approval"].as_str().unwrap().to_owned();
    expect![[r#"
        Write to 555 as well?
          form    {"properties":{"window":{"enum":["night","day"]}},"required":["window"],"type":"object"}
          claim   text = "call me⟨U+202E⟩ now"  (from input.text)
          yes     the run goes on; `ask` gives who said yes
          no      the step `ask` fails with approval_rejected
          asks    desk or leads, until <time>
          by      tom, run <run 1> at `ask`
          state   pending, 0 votes
        decide it: surefoot approvals decide APPROVAL reject|answer demo --as PERSON --shown <digest 1>
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["approvals", "show", &ask, "demo"]));
    let decide = |word: &str, more: &[&str]| {
        let mut args = vec!["approvals", "decide", &ask, word, "demo", "--as", "ann"];
        args.extend(more);
        place.call(&args)
    };
    let said = decide("answer", &[]);
    assert_eq!(said.code, 2, "{}", said.err);
    let said = decide("answer", &["--with", r#"{"window": "noon"}"#]);
    assert!(said.code == 9 && said.err.contains("the answer does not fit the form"), "{} {}", said.code, said.err);
    let said = decide("answer", &["--with", r#"{"window": "night"}"#]);
    assert!(
        said.code == 0 && said.out.contains(r#"run completed {"ask":"night","call":true}"#),
        "{}{}",
        said.out,
        said.err
    );
    let run = json(&place, &["runs", "ls", "demo", "--json"])["run"].as_str().unwrap().to_owned();
    let why = place.ok(&["runs", "why", &run, "call", "demo"]);
    assert!(why.contains("known by local") && why.contains("handed to desk"), "{why}");
}

#[test]
fn work_that_nobody_knows_is_not_found() {
    let place = begun();
    let said = place.call(&["work", "answer", "wrk_none", "demo", "--with", "{}", "--as", "sue"]);
    assert!(said.err.contains("there is no work `wrk_none`"), "{}", said.err);
    let other = place.call(&["work", "ls", "demo", "--group", "leads"]);
    assert_eq!(other.out, "no work waits for people\n");
}

#[test]
fn what_the_project_does_not_have_is_said_with_what_was_meant() {
    let place = begun();
    let end = json(&place, &["work", "ls", "demo", "--json"])["work"].as_str().unwrap().to_owned();
    expect![[r#"
        error: people.yaml has no group `dsk`
          try: did you mean `desk`?
        --- 4
    "#]]
    .assert_eq(&shown(&place, &["approvals", "ls", "demo", "--group", "dsk"]));
    expect![[r#"
        error: people.yaml has no group `lead`
          try: did you mean `leads`?
        --- 4
    "#]]
    .assert_eq(&shown(&place, &["work", "ls", "demo", "--group", "lead"]));
    expect![[r#"
        error: `sua` is not in people.yaml, and this is work for `desk`
          try: did you mean `sue`?
        --- 9
    "#]]
    .assert_eq(&shown(&place, &["work", "claim", &end, "demo", "--as", "sua"]));
    expect![[r#"
        error: there is no message `msg_none`
          try: list those that are dead with `outbox ls`
        --- 4
    "#]]
    .assert_eq(&shown(&place, &["outbox", "retry", "msg_none", "demo"]));
    // A stop is made all the same: the data may belong to more than this project.
    expect![[r#"
        held workflow:cal by sue (change 2)
        the project here has no workflow `cal`: did you mean `call`?
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["hold", "demo", "--scope", "workflow:cal", "--as", "sue"]));
    let said = place.call(&["run", "demo", "--input", "input.json", "--as", "tam"]);
    assert!(said.err.contains("`tam` is not in people.yaml: did you mean `tom`?"), "{}", said.err);
    // What waits says what to type.
    assert!(said.out.contains("        surefoot work show wrk_"), "{}", said.out);
}

#[test]
fn a_yes_and_a_no_take_no_other_values() {
    let place = begun();
    for word in ["approve", "reject"] {
        expect![[r#"
            error: `--with` belongs to `edit` and `answer`: a yes or a no covers what was shown
              try: to change it first, decide `edit`
            --- 2
        "#]]
        .assert_eq(&shown(
            &place,
            &["approvals", "decide", "apr_none", word, "demo", "--as", "ann", "--with", r#"{"window": "day"}"#],
        ));
    }
}

#[test]
fn who_decides_has_a_name_and_a_mistyped_command_is_json_too() {
    let place = begun();
    for args in [
        &["hold", "demo", "--scope", "workflow:call", "--as", ""][..],
        &["evidence", "erase", "last", "demo", "--as", "sue", "--reason", ""],
    ] {
        let said = place.call(args);
        assert!(said.code == 2 && said.err.contains("a value is required"), "{} {}", said.code, said.err);
    }
    assert_eq!(place.ok(&["hold", "demo"]), "nothing is held\n");
    expect![[r#"
        {"error":{"causes":[],"code":2,"hints":[],"kind":"usage","message":"unrecognized subcommand 'shw' tip: a similar subcommand exists: 'show'"}}
        --- 2
    "#]]
    .assert_eq(&shown(&place, &["approvals", "shw", "--json"]));
}

#[test]
fn what_a_run_below_asks_is_named_by_the_run_above() {
    let place = Place::new();
    for (file, text) in CONTENT {
        place.write(&format!("demo/{file}"), text);
    }
    place.write(
        "demo/workflows/call.yaml",
        "workflow: call
input: schemas/input.yaml
stages:
  - stage: only
    steps:
      - step: over
        handoff:
          to: { workflow: below }
          task: Ask
          with: { phone: =input.phone, text: =input.text }
          contract: schemas/done.yaml
          accept: claims
",
    );
    place.write(
        "demo/workflows/below.yaml",
        "workflow: below
input: schemas/input.yaml
result: { value: { done: true } }
stages:
  - stage: only
    steps:
      - { step: ask, approve: { ask: Is it well?, of: desk, evidence: { text: =input.text } } }
",
    );
    place.write("demo/schemas/done.yaml", "type: object\nproperties: { done: { type: boolean } }\n");
    for file in ["called", "window"] {
        std::fs::remove_file(place.path().join(format!("demo/schemas/{file}.yaml"))).unwrap();
    }
    place.write("input.json", r#"{"phone": "555", "text": "call me"}"#);
    let args = ["run", "demo", "--workflow", "call", "--input", "input.json"];
    let said = place.call(&args);
    let approval = json(&place, &["approvals", "ls", "demo", "--json"])["approval"].as_str().unwrap().to_owned();
    let wanted = format!("surefoot approvals show {approval} demo\n");
    assert!(said.out.contains(&wanted), "{}{}", said.out, said.err);
    let rows = place.ok(&["runs", "ls", "demo", "--json"]);
    let rows: Vec<serde_json::Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let top = rows.iter().find(|row| row["workflow"] == "call").unwrap()["run"].as_str().unwrap();
    let shown = place.ok(&["runs", "show", top, "demo"]);
    assert!(shown.contains(&format!("below     {wanted}")), "{shown}");
    let shown = json(&place, &["runs", "show", top, "demo", "--json"]);
    assert_eq!(shown["below"], serde_json::json!([wanted.trim_end()]));
}
