//! One rule, one test.

use expect_test::expect;
use kernel::governance::labels::draw;

use crate::{flow, program, steps};

#[test]
fn a_name_read_carries_its_place_and_all_below() {
    flow(
        "- step: a
  act: box.put
  with: { to: =input.ours, one: =input.sender, whole: =input, list: =input.notes, text: \"=input.notes[0].text\", at: \"=input.notes[0].at\" }",
        expect![[r#"
            a  box.put
              at
                seen  from `input.notes.at`
              list
                seen  from `input.notes.at`
                untrusted  from `input.notes`
              one
                private  from `input.sender`
                untrusted  from `input.sender`
              text
                untrusted  from `input.notes`
              to  control  nothing
              whole
                private  from `input.sender`
                seen  from `input.notes.at`
                untrusted  from `input`
        "#]],
    );
}

#[test]
fn a_text_with_holes_and_a_filter_carry_all_that_they_read() {
    flow(
        "- step: made
  set: { text: \"{{ input.ours }} {{ input.sender }}\", long: =input.notes | length, which: \"=input.ours if input.body == 'x' else input.most\", fixed: here }
- step: a
  act: box.put
  with: { to: =made.fixed, text: =made.text, long: =made.long, which: =made.which, pick: \"=input.ids[0]\" }",
        expect![[r#"
            a  box.put
              long
                seen  from `input.notes.at`
                untrusted  from `input.notes`
              pick  nothing
              text
                private  from `input.sender`
                untrusted  from `input.sender`
              to  control  nothing
              which
                untrusted  from `input.body`
        "#]],
    );
}

#[test]
fn an_answer_carries_all_that_was_shown_and_what_its_schema_adds() {
    flow(
        "- step: said
  reason: prompts/ask.md
  model: small
  see: { ours: input.ours, from: { from: input.sender, labels: [ secret, shown ] } }
  output: schemas/out.yaml
- step: alone
  reason: prompts/ask.md
  model: small
  see: { ours: input.ours }
  output: schemas/out.yaml
- step: a
  act: box.put
  with: { to: =said.kind, note: =said.note, alone: =alone.id }",
        expect![[r#"
            a  box.put
              alone
                generated  from `alone.id`
              note
                generated  from `said.note`
                private  from `input.sender`, `said.see.from`
                secret  from `said.see.from`
                shown  from `said.see.from`
                summary  from `said.note`
                untrusted  from `input.sender`
              to  control
                generated  from `said.kind`
                private  from `input.sender`, `said.see.from`
                secret  from `said.see.from`
                shown  from `said.see.from`
                untrusted  from `input.sender`
        "#]],
    );
}

#[test]
fn what_the_layers_show_counts_as_well() {
    let text = "
--- workflows/w.yaml
workflow: w
input: schemas/in.yaml
context: { text: prompts/ask.md, see: { sender: input.sender } }
stages:
  - stage: only
    context: { text: prompts/ask.md, see: { at: \"input.notes[0].at\" } }
    steps:
      - { step: said, reason: prompts/ask.md, model: small, see: { ours: input.ours }, output: schemas/out.yaml }
      - { step: a, act: box.put, with: { id: =said.id } }
";
    expect![[r#"
        a  box.put
          id
            generated  from `said.id`
            private  from `input.sender`
            seen  from `input.notes.at`
            untrusted  from `input.sender`
    "#]]
    .assert_eq(&kernel::governance::labels::draw(&crate::program(text)));
}

#[test]
fn an_answer_of_a_tool_carries_what_its_operation_declares() {
    flow(
        "- { step: plain, act: box.look, with: { id: =input.sender } }
- { step: known, act: box.known, with: { id: =input.sender } }
- { step: echo, act: box.echo, with: { id: =input.sender } }
- { step: typed, act: box.typed }
- step: a
  act: box.put
  with: { to: =known.id, plain: =plain, echo: =echo.id, id: =typed.id, text: =typed.text, typed: =typed }",
        expect![[r#"
            plain  box.look
              id
                private  from `input.sender`
                untrusted  from `input.sender`
            known  box.known
              id
                private  from `input.sender`
                untrusted  from `input.sender`
            echo  box.echo
              id
                private  from `input.sender`
                untrusted  from `input.sender`
            typed  box.typed
            a  box.put
              echo
                private  from `input.sender`
                untrusted  from `input.sender`
              id
                private  from `typed.id`
              plain
                private  from `plain`
                untrusted  from `plain`
              text
                private  from `typed.text`
                untrusted  from `typed.text`
              to  control  nothing
              typed
                private  from `typed`
                untrusted  from `typed`
        "#]],
    );
}

#[test]
fn a_page_is_outward_and_its_hosts_are_the_operators_word() {
    let text = format!(
        "{}--- tools/web.yaml\ntool: web\npage: {{ hosts: any }}\noperations: {{ read: {{ effect: read }} }}\n--- tools/known.yaml\ntool: \
         known\npage: {{ hosts: [ a.example ] }}\noperations: {{ read: {{ effect: read, returns: {{ labels: [ private ] }} }} }}\n",
        crate::steps(
            "- { step: any, act: web.read, with: { url: =input.body } }
- { step: some, act: known.read, with: { url: \"=any.links[0].url\" } }
- { step: a, act: box.put, with: { to: =some.title } }"
        )
    );
    expect![[r#"
        any  web.read  outward
          url
            untrusted  from `input.body`
        some  known.read  outward
          url
            untrusted  from `any.links`
        a  box.put
          to  control
            private  from `some.title`
            untrusted  from `some.title`
    "#]]
    .assert_eq(&kernel::governance::labels::draw(&crate::program(&text)));
}

#[test]
fn a_signal_is_untrusted_and_a_decision_carries_nothing() {
    flow(
        "- { step: go, wait: { signal: go } }
- step: which
  decide: [ { when: input.body == \"x\", then: next } ]
  otherwise: next
- step: a
  act: box.put
  with: { by: =go.by, body: =go.body, sender: =go.sender, rule: =which.rule, run: =run.id, ran: =ran(go) }",
        expect![[r#"
            a  box.put
              body
                untrusted  from `go.body`
              by  nothing
              ran  nothing
              rule  nothing
              run  nothing
              sender
                untrusted  from `go.sender`
        "#]],
    );
}

#[test]
fn a_signal_carries_what_its_wait_declares() {
    flow(
        "- { step: ours, wait: { signal: paid, labels: [ trusted, private ] } }
- { step: theirs, wait: { signal: said, labels: [ \"private:health\" ] } }
- step: a
  act: box.put
  with: { to: =ours.body.account, sender: =ours.sender, text: =theirs.body }",
        expect![[r#"
            a  box.put
              sender
                private  from `ours.sender`
              text
                private  from `theirs.body`
                private:health  from `theirs.body`
                untrusted  from `theirs.body`
              to  control
                private  from `ours.body.account`
        "#]],
    );
}

#[test]
fn a_function_carries_its_arguments_and_may_be_trusted() {
    flow(
        "- step: scored
  native: score@1
  with: { text: =input.body, from: =input.sender }
  output: schemas/out.yaml
  trust: { kind: enum, cents: { at_most: input.most, in: \"[input.most, 3]\" } }
- { step: free, native: free@1, with: { ours: =input.ours } }
- { step: a, act: box.put, with: { kind: =scored.kind, cents: =scored.cents * 2, note: =scored.note, free: =free } }",
        expect![[r#"
            a  box.put
              cents
                private  from `input.sender`
                untrusted  from `input.body`, `input.sender` unless `scored.cents` is in `[input.most, 3]` and at most `input.most`
              free  nothing
              kind
                private  from `input.sender`
              note
                private  from `input.sender`
                summary  from `scored.note`
                untrusted  from `input.body`, `input.sender`
        "#]],
    );
}

#[test]
fn items_carry_what_the_list_does_and_failures_all_that_was_there() {
    flow(
        "- step: each_note
  each: input.notes
  as: note
  join: settle
  steps:
    - { step: inner, act: box.put, with: { to: =note.at, text: =note.text, item: =item } }
    - { step: seen, act: box.known, with: { sender: =input.sender } }
  gives: { at: =note.at, found: =seen }
- step: after
  each: each_note
  steps:
    - step: a
      act: box.put
      with:
        to: \"=item.value.at if item.value is not none else 1\"
        why: \"=item.failure.detail if item.failure is not none else 1\"
        ok: =item.ok",
        expect![[r#"
            inner  box.put
              item
                seen  from `input.notes.at`
                untrusted  from `input.notes`
              text
                untrusted  from `input.notes`
              to  control
                seen  from `input.notes.at`
            seen  box.known
              sender
                private  from `input.sender`
                untrusted  from `input.sender`
            a  box.put
              ok  nothing
              to  control
                seen  from `input.notes.at`
              why
                private  from `input.sender`
                seen  from `input.notes.at`
                untrusted  from `each_note.failure`, `inner`, `input.notes`, `input.sender`
        "#]],
    );
}

#[test]
fn branches_and_turns_carry_what_they_give() {
    flow(
        "- step: both
  parallel:
    branches:
      left: { when: input.most > 1, steps: [ { step: l, set: { v: =input.sender } } ] }
      right: { steps: [ { step: r, set: { v: =input.ours } } ] }
- step: turns
  repeat:
    max: 3
    steps:
      - { step: look, act: box.put, with: { before: =turns, index: =index } }
      - { step: next, set: { text: =look.text, from: =input.sender } }
- { step: a, act: box.put, with: { to: =both.right, left: =both.left, turns: =turns.from } }",
        expect![[r#"
            look  box.put
              before
                private  from `input.sender`
                untrusted  from `input.sender`, `look.text`
              index  nothing
            a  box.put
              left
                private  from `input.sender`
                untrusted  from `input.sender`
              to  control  nothing
              turns
                private  from `input.sender`
                untrusted  from `input.sender`
        "#]],
    );
}

#[test]
fn what_a_recovery_puts_in_place_of_an_answer_counts() {
    flow(
        "- step: known
  act: box.known
  on_failure: { tool_error: [ { retry: 1 }, { continue_with: { id: =input.sender } } ] }
- { step: a, act: box.put, with: { to: =known.id } }",
        expect![[r#"
            known  box.known
            a  box.put
              to  control
                private  from `input.sender`
                untrusted  from `input.sender`
        "#]],
    );
}

#[test]
fn a_tie_holds_where_it_can_be_asked_and_is_lost_outside() {
    flow(
        "- step: outer
  reason: prompts/ask.md
  model: small
  see: { body: input.body }
  output: schemas/out.yaml
  trust: { id: { in: input.ids } }
- step: kept
  set: { id: =outer.id, twice: \"{{ outer.id }}-{{ input.sender }}\" }
- step: bodies
  each: input.ids
  steps:
    - step: inner
      reason: prompts/ask.md
      model: small
      see: { body: input.body }
      output: schemas/out.yaml
      trust: { id: { in: \"[item]\" } }
    - { step: here, act: box.put, with: { to: =inner.id, outer: =kept.id } }
    - step: deeper
      each: input.notes
      steps:
        - { step: there, act: box.put, with: { to: =inner.id, outer: =outer.id } }
  gives: =inner.id
- { step: a, act: box.put, with: { to: =kept.twice, lost: \"=bodies[0]\" } }
- { step: b, act: box.put, with: { to: =outer.id, all: =outer } }",
        expect![[r#"
            here  box.put
              outer
                generated  from `outer.id`
                untrusted  from `input.body` unless `outer.id` is in `input.ids`
              to  control
                generated  from `inner.id`
                untrusted  from `input.body` unless `inner.id` is in `[item]`
            there  box.put
              outer
                generated  from `outer.id`
                untrusted  from `input.body` unless `outer.id` is in `input.ids`
              to  control
                generated  from `inner.id`
                untrusted  from `input.body`
            a  box.put
              lost
                generated  from `inner.id`
                untrusted  from `input.body`
              to  control
                generated  from `outer.id`
                private  from `input.sender`
                untrusted  from `input.sender`
                untrusted  from `input.body` unless `outer.id` is in `input.ids`
            b  box.put
              all
                generated  from `outer`
                summary  from `outer.note`
                untrusted  from `input.body`
                untrusted  from `input.body` unless `outer.id` is in `input.ids`
              to  control
                generated  from `outer.id`
                untrusted  from `input.body` unless `outer.id` is in `input.ids`
        "#]],
    );
}

#[test]
fn arguments_whose_names_are_not_known_are_kept_together() {
    flow(
        "- { step: a, act: box.put, with: \"=input.notes[0]\" }\n- { step: b, act: box.typed, with: =a }",
        expect![[r#"
        a  box.put
          (all others)
            untrusted  from `input.notes`
          at
            seen  from `input.notes.at`
          text
            untrusted  from `input.notes`
          to  control
            untrusted  from `input.notes`
        b  box.typed
          (all others)
            untrusted  from `a`
    "#]],
    );
}

#[test]
fn schemas_are_followed_through_their_references() {
    let text = format!(
        "{}--- schemas/in.yaml
type: object
required: [ at, both, one, tree, bag ]
properties:
  at: {{ $ref: '#/$defs/place' }}
  both: {{ allOf: [ {{ x-labels: [ trusted ] }}, {{ properties: {{ a: {{ x-labels: [ extra ] }} }} }} ] }}
  one: {{ anyOf: [ {{ type: string, x-labels: [ trusted ] }}, {{ type: object, properties: {{ a: {{ x-labels: [ private ] }} }} }} ] }}
  tree: {{ $ref: '#/$defs/tree' }}
  bag: {{ type: object, x-labels: [ trusted ], additionalProperties: {{ x-labels: [ extra ] }}, patternProperties: {{ '^p': {{ x-labels: [ pat ] }} }}, required: [ k ], properties: {{ k: {{ type: string }} }} }}
$defs:
  place: {{ type: object, required: [ city, street ], properties: {{ city: {{ type: string, x-labels: [ public, trusted ] }}, street: {{ type: string }} }}, x-labels: [ 'private:home' ] }}
  tree: {{ type: object, required: [ next ], properties: {{ next: {{ $ref: '#/$defs/tree' }}, text: {{ x-labels: [ secret ] }} }} }}
",
        crate::steps(
            "- step: a
  act: box.put
  with: { city: =input.at.city, street: =input.at.street, all: =input.at, both: =input.both.a, one: =input.one, next: =input.tree.next.next, k: =input.bag.k, other: =input.bag.other }"
        )
    );
    expect![[r#"
        a  box.put
          all
            private  from `input.at`
            private:home  from `input.at`
            untrusted  from `input.at`
          both
            extra  from `input.both.a`
          city  nothing
          k
            pat  from `input.bag.k`
          next
            private  from `input.tree.next.next`
            secret  from `input.tree.next.next`
            untrusted  from `input.tree.next.next`
          one
            private  from `input.one.a`
            untrusted  from `input.one`
          other
            extra  from `input.bag.other`
            pat  from `input.bag.other`
          street
            private  from `input.at.street`
            private:home  from `input.at.street`
            untrusted  from `input.at.street`
    "#]]
    .assert_eq(&kernel::governance::labels::draw(&crate::program(&text)));
}

#[test]
fn a_workflow_that_doubles_and_nests_stays_small() {
    let mut text = "- { step: s0, set: { x: =input.sender, y: =input.body } }\n".to_owned();
    for number in 1..40 {
        text.push_str(&format!("- {{ step: s{number}, set: {{ x: =s{0}, y: =s{0} }} }}\n", number - 1));
    }
    let mut pad = String::new();
    for number in 0..12 {
        text.push_str(&format!("{pad}- step: r{number}\n{pad}  repeat:\n{pad}    max: 2\n{pad}    steps:\n"));
        pad.push_str("      ");
    }
    text.push_str(&format!("{pad}- {{ step: a, act: box.put, with: {{ all: =s39, turn: =r11, outer: =r0 }} }}\n"));
    let program = crate::program(&crate::steps(&text));
    let words = |argument: &str| program.labels.acts["a"].arguments[argument].words();
    assert_eq!(words("/all").iter().map(|label| &**label).collect::<Vec<_>>(), ["private", "untrusted"]);
    assert!(words("/turn").contains("untrusted") && words("/outer").contains("untrusted"));
}

#[test]
fn trust_of_an_agent_is_about_fields_of_its_answer_and_nothing_else() {
    let text = steps(
        "- step: told
  agent: prompts/ask.md
  model: small
  see: { sender: input.sender }
  tools: [ mail.send, mail.read ]
  output: schemas/said.yaml
  trust: { kind: enum, id: { in: input.ids } }
- step: a
  act: box.put
  with: { to: =told.id, kind: =told.kind, note: =told.note, all: =told }",
    );
    let said = "
--- tools/mail.yaml
tool: mail
native: true
operations:
  send: { effect: at_most_once, params: schemas/letter.yaml, control: [ to ] }
  read: { effect: read, params: schemas/letter.yaml, returns: { labels: [ trusted, inbox ] } }
--- schemas/letter.yaml
type: object
additionalProperties: false
required: [ to ]
properties: { to: { type: string } }
--- schemas/said.yaml
type: object
additionalProperties: false
required: [ kind, id, note, claims ]
properties:
  kind: { enum: [ a, b ] }
  id: { type: string }
  note: { type: string }
  claims:
    type: array
    items:
      type: object
      required: [ says, action, status ]
      properties: { says: { type: string }, action: { type: string }, resource: { type: string }, status: { enum: [ succeeded, failed ] }, evidence: { type: string } }
";
    expect![[r#"
        told/mail.send  mail.send
          (all others)
            generated  from `told`
            inbox  from `told/mail.read`
            private  from `input.sender`
            untrusted  from `input.sender`, `told/mail.send`
          to  control
            generated  from `told`
            inbox  from `told/mail.read`
            private  from `input.sender`
            untrusted  from `input.sender`, `told/mail.send`
        told/mail.read  mail.read
          (all others)
            generated  from `told`
            inbox  from `told/mail.read`
            private  from `input.sender`
            untrusted  from `input.sender`, `told/mail.send`
          to
            generated  from `told`
            inbox  from `told/mail.read`
            private  from `input.sender`
            untrusted  from `input.sender`, `told/mail.send`
        a  box.put
          all
            generated  from `told`
            inbox  from `told/mail.read`
            private  from `input.sender`
            untrusted  from `input.sender`, `told/mail.send`
            untrusted  from `input.sender`, `told/mail.send` unless `told.id` is in `input.ids`
          kind
            generated  from `told.kind`
            inbox  from `told/mail.read`
            private  from `input.sender`
          note
            generated  from `told.note`
            inbox  from `told/mail.read`
            private  from `input.sender`
            untrusted  from `input.sender`, `told/mail.send`
          to  control
            generated  from `told.id`
            inbox  from `told/mail.read`
            private  from `input.sender`
            untrusted  from `input.sender`, `told/mail.send` unless `told.id` is in `input.ids`
    "#]]
    .assert_eq(&draw(&program(&format!("{text}\n{said}"))));
}
