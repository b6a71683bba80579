//! A workflow with all that labels are for: a letter from outside, private records, money, a message to somebody.

use expect_test::expect;
use kernel::governance::labels::draw;

const PROJECT: &str = "
--- workflows/w.yaml
workflow: support_email
input: schemas/email.yaml
about: { account: =input.account }
context: { text: prompts/ask.md, see: { tier: input.tier } }
stages:
  - stage: understand
    steps:
      - step: classify
        reason: prompts/ask.md
        model: small
        see:
          subject: input.subject
          body: { from: input.body, tokens: 2000, overflow: truncate }
        output: schemas/classification.yaml
        trust: { category: enum }
      - step: route
        decide: [ { when: classify.category == \"billing\", then: billing } ]
        otherwise: next
  - stage: billing
    steps:
      - step: payments
        act: bank.list_payments
        with: { account: =input.account, kind: =classify.category }
      - step: assess
        reason: prompts/ask.md
        model: strong
        see: { payments: payments.items, body: input.body }
        output: schemas/assessment.yaml
        trust:
          payment_id: { in: \"payments.items | map(attribute='id') | list\" }
          amount_cents: { at_most: payments.largest_cents }
      - step: pay_back
        when: assess.pay
        act: bank.pay_back
        with: { payment_id: =assess.payment_id, amount_cents: =assess.amount_cents, account: =input.account }
      - step: tell
        act: post.send
        with: { to: =input.sender, text: \"{{ assess.answer }}\" }
      - step: note
        act: post.send
        with: { to: desk@example.com, text: =payments }
--- schemas/email.yaml
type: object
additionalProperties: false
required: [ account, sender, subject, body, tier ]
properties:
  account: { type: string, x-labels: [ trusted ] }
  sender: { type: string, format: email }
  subject: { type: string, x-labels: [ untrusted ] }
  body: { type: string, x-labels: [ untrusted ] }
  tier: { enum: [ a, b ], x-labels: [ trusted ] }
--- schemas/classification.yaml
type: object
required: [ category, confidence ]
properties: { category: { enum: [ billing, technical ] }, confidence: { type: number } }
--- schemas/assessment.yaml
type: object
additionalProperties: false
required: [ pay, payment_id, amount_cents, answer ]
properties:
  pay: { type: boolean }
  payment_id: { type: string }
  amount_cents: { type: integer, minimum: 0 }
  answer: { type: string }
--- schemas/payments.yaml
type: object
required: [ items, largest_cents ]
properties:
  items: { type: array, items: { type: object, required: [ id ], properties: { id: { type: string } } } }
  largest_cents: { type: integer }
--- schemas/back.yaml
type: object
properties: { payment_id: { type: string }, amount_cents: { type: integer }, account: { type: string } }
--- tools/bank.yaml
tool: bank
native: true
operations:
  list_payments: { effect: read, returns: { schema: schemas/payments.yaml, labels: [ private, trusted ] } }
  pay_back:
    effect: idempotent
    params: schemas/back.yaml
    control: [ payment_id, amount_cents, account ]
--- tools/post.yaml
tool: post
native: true
operations:
  send: { effect: idempotent, control: [ to ], allow_list: { to: [ desk@example.com, \"*@shop.example\" ] } }
";

#[test]
fn the_labels_of_an_example() {
    expect![[r#"
        payments  bank.list_payments
          account  nothing
          kind
            generated  from `classify.category`
        pay_back  bank.pay_back
          account  control  nothing
          amount_cents  control
            generated  from `assess.amount_cents`
            private  from `payments.items`
            untrusted  from `input.body` unless `assess.amount_cents` is at most `payments.largest_cents`
          payment_id  control
            generated  from `assess.payment_id`
            private  from `payments.items`
            untrusted  from `input.body` unless `assess.payment_id` is in `payments.items | map(attribute='id') | list`
        tell  post.send
          text
            generated  from `assess.answer`
            private  from `payments.items`
            untrusted  from `input.body`
          to  control
            untrusted  from `input.sender`
            allowed  desk@example.com
            allowed  *@shop.example
        note  post.send
          text
            private  from `payments`
          to  control  nothing
            allowed  desk@example.com
            allowed  *@shop.example
    "#]]
    .assert_eq(&draw(&super::program(PROJECT)));
}

#[test]
fn nothing_is_complained_about() {
    let (_, complaints) = super::check(&super::sources(PROJECT));
    // The example has a field that it only shows the labels of.
    let about_labels: Vec<_> = complaints.iter().filter(|one| one.id != "W198").collect();
    assert!(about_labels.is_empty(), "{about_labels:#?}");
}

#[test]
fn without_trust_and_lists_there_are_three_ways_out() {
    let text = PROJECT
        .replace("payment_id: { in: \"payments.items | map(attribute='id') | list\" }", "pay: enum")
        .replace(", allow_list: { to: [ desk@example.com, \"*@shop.example\" ] }", "");
    let sources = super::sources(&text);
    let (program, complaints) = super::check(&sources);
    assert!(program.is_some(), "these are warnings");
    let printed: String =
        complaints.iter().map(|complaint| complaint.render(sources.get(&complaint.file).map(|text| &**text))).collect();
    expect![[r#"
        workflows/w.yaml:8:9: warning[W198]: nobody reads `confidence` of the answer of `classify`
            8 |       - step: classify
              |         ^^^^
           help: read it in a later step, a `check` or the result, or take it out of the schema: it is asked for and paid
        workflows/w.yaml:35:29: warning[W084]: `payment_id` says what `bank.pay_back` does, and it comes from `input.body`, which is untrusted
           35 |         with: { payment_id: =assess.payment_id, amount_cents: =assess.amount_cents, account: =input.account }
              |                             ^^^^^^^^^^^^^^^^^^
           help: tie it to trusted data with `trust:` on the step that gives it, write what it may be under `allow_list` in tools/bank.yaml, or let a policy put it before a person; if who sends it may decide it, declare it with `x-labels: [trusted]`
        workflows/w.yaml:38:21: warning[W084]: `to` says what `post.send` does, and it comes from `input.sender`, which is untrusted
           38 |         with: { to: =input.sender, text: "{{ assess.answer }}" }
              |                     ^^^^^^^^^^^^^
           help: tie it to trusted data with `trust:` on the step that gives it, write what it may be under `allow_list` in tools/post.yaml, or let a policy put it before a person; if who sends it may decide it, declare it with `x-labels: [trusted]`
    "#]].assert_eq(&printed);
}
