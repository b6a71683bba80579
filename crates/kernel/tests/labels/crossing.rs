//! What one workflow hands to another carries its labels there, and what comes back carries them here.

use expect_test::{Expect, expect};
use kernel::{governance::labels::draw, workflow::project};

use crate::sources;

/// Two workflows: what their actions carry.
fn flows(text: &str, expected: Expect) {
    let checked = project::check(&sources(text));
    let project = checked.project.unwrap_or_else(|| panic!("the project has errors: {:#?}", checked.complaints));
    let drawn: Vec<String> =
        project.workflows.values().map(|program| format!("{}:\n{}", program.name, draw(program))).collect();
    expected.assert_eq(&drawn.concat());
}

const OTHER: &str = "
--- schemas/given.yaml
type: object
additionalProperties: false
required: [ ours, sender ]
properties:
  ours: { type: string, x-labels: [ trusted ] }
  sender: { type: string, x-labels: [ trusted ] }
--- schemas/back.yaml
type: object
required: [ id, text ]
properties: { id: { type: string }, text: { type: string } }
";

#[test]
fn a_schema_that_says_trusted_does_not_make_so_what_another_workflow_hands_over() {
    let text = format!(
        "--- workflows/w.yaml
workflow: w
input: schemas/in.yaml
stages:
  - stage: only
    steps:
      - step: back
        handoff: {{ to: {{ workflow: x }}, task: Do, with: {{ ours: =input.ours, sender: =input.sender }}, contract: schemas/back.yaml, accept: claims }}
      - {{ step: a, act: box.put, with: {{ to: =back.id, text: =back.text }} }}
--- workflows/x.yaml
workflow: x
input: schemas/given.yaml
result: {{ value: {{ id: =input.ours, text: =look.text }} }}
stages:
  - stage: only
    steps:
      - {{ step: look, act: box.look, with: {{ key: =input.sender }} }}
      - {{ step: b, act: box.put, with: {{ to: =input.ours, text: =input.sender, all: =run.handoff.task }} }}
{OTHER}"
    );
    flows(
        &text,
        expect![[r#"
            w:
            a  box.put
              text
                private  from `back.text`
                untrusted  from `back.text`
                unverified  from `back.text`
              to  control
                unverified  from `back.id`
            x:
            look  box.look
              key
                private  from `input.sender`
                untrusted  from `input.sender`
            b  box.put
              all
                private  from `run.handoff.task`
                untrusted  from `run.handoff.task`
              text
                private  from `input.sender`
                untrusted  from `input.sender`
              to  control  nothing
        "#]],
    );
}

#[test]
fn only_what_is_demanded_to_be_verified_comes_back_as_a_fact() {
    let text = |demand: &str| {
        format!(
            "--- workflows/w.yaml
workflow: w
input: schemas/in.yaml
stages:
  - stage: only
    steps:
      - step: back
        handoff: {{ to: {{ workflow: x }}, task: Do, with: {{ ours: =input.ours }}, contract: schemas/proven.yaml }}
      - {{ step: a, act: box.put, with: {{ to: =back.id }} }}
--- workflows/x.yaml
workflow: x
input: schemas/one.yaml
result: {{ schema: schemas/proven.yaml, value: {{ id: =put.id, held: =proof.verified, how: by hand }} }}
{demand}
stages:
  - stage: only
    steps:
      - {{ step: put, act: box.typed, with: {{ to: =input.ours }} }}
      - {{ step: proof, verify: {{ proves: put, holds: \"put.id == input.ours\" }} }}
--- schemas/one.yaml
type: object
required: [ ours ]
properties: {{ ours: {{ type: string }} }}
--- schemas/proven.yaml
type: object
required: [ id, held, how ]
properties: {{ id: {{ type: string }}, held: {{ type: boolean }}, how: {{ type: string }} }}
"
        )
    };
    flows(
        &text("done_when: [ { verified: proof } ]"),
        expect![[r#"
        w:
        a  box.put
          to  control
            private  from `back.id`
        x:
        put  box.typed
          to
            untrusted  from `input.ours`
    "#]],
    );
    // A claim that is perhaps never looked at is one, and so is one that may be skipped.
    for demand in ["", "done_when: [ { verified: proof, when: \"input.ours != ''\" } ]"] {
        let checked = project::check(&sources(&text(demand)));
        let found: Vec<String> = checked.complaints.iter().map(|one| format!("{} {}", one.id, one.message)).collect();
        assert_eq!(
            found,
            ["W188 only facts cross, and nothing in workflow `x` verifies `id` of its result"],
            "{demand}"
        );
    }
}

#[test]
fn workflows_that_hand_to_each_other_are_followed_until_nothing_new_comes_in() {
    let text = "--- workflows/w.yaml
workflow: w
input: schemas/pair.yaml
result: { value: { left: \"=back.right if ran(back) else 'none'\", right: =input.right } }
stages:
  - stage: only
    steps:
      - step: look
        act: box.look
        with: { key: =input.left }
      - step: back
        when: input.left != ''
        handoff: { to: { workflow: x }, task: Do, with: { left: =input.right, right: =look.text }, contract: schemas/pair.yaml, accept: claims }
        on_failure: { handoff_failed: [ { continue_with: { left: a, right: b } } ] }
      - { step: a, act: box.put, with: { to: =input.left, text: =input.right } }
--- workflows/x.yaml
workflow: x
input: schemas/pair.yaml
result: { value: { left: =back.left, right: =back.right } }
stages:
  - stage: only
    steps:
      - step: back
        handoff: { to: { workflow: w }, task: Do, with: { left: =input.right, right: =input.left }, contract: schemas/pair.yaml, accept: claims }
      - { step: b, act: box.put, with: { to: =back.left, text: =back.right } }
--- schemas/pair.yaml
type: object
required: [ left, right ]
properties: { left: { type: string, x-labels: [ trusted ] }, right: { type: string, x-labels: [ trusted ] } }
";
    flows(
        text,
        expect![[r#"
            w:
            look  box.look
              key
                private  from `input.left`
                untrusted  from `input.left`
            a  box.put
              text  nothing
              to  control
                private  from `input.left`
                untrusted  from `input.left`
            x:
            b  box.put
              text
                unverified  from `back.right`
              to  control
                unverified  from `back.left`
        "#]],
    );
}

#[test]
fn what_is_published_carries_to_who_waits_what_it_carried_there() {
    let text = "--- workflows/w.yaml
workflow: w
input: schemas/in.yaml
stages:
  - stage: only
    steps:
      - { step: told, emit: { event: said, key: =input.ours, data: { sender: =input.sender } } }
--- workflows/x.yaml
workflow: x
stages:
  - stage: only
    steps:
      - { step: said, wait: { event: said, labels: trusted } }
      - { step: other, wait: { event: unsaid, labels: trusted } }
      - { step: b, act: box.put, with: { to: =other.body, text: =said.body.sender } }
";
    flows(
        text,
        expect![[r#"
        w:
        x:
        b  box.put
          text
            private  from `said.body.sender`
            untrusted  from `said.body.sender`
          to  control  nothing
    "#]],
    );
}
