//! What holds when an action is judged.

use std::{cell::RefCell, collections::BTreeMap};

use expect_test::{Expect, expect};
use kernel::{
    expr::Expr,
    governance::labels::{ActLabels, Now, Origin, UNTRUSTED},
    values::Value,
};

const STEPS: &str = "- step: said
  reason: prompts/ask.md
  model: small
  see: { body: input.body }
  output: schemas/out.yaml
  trust: { id: { in: input.ids }, cents: { at_most: input.most } }
- step: a
  act: box.put
  with: { to: =said.id, cents: =said.cents, mail: =input.body, text: =input.sender }";

fn act() -> ActLabels {
    let tools = "--- tools/box.yaml\ntool: box\nnative: true\noperations:\n  put: { effect: idempotent, control: [ to, cents, mail ], \
                 allow_list: { mail: [ desk@a.example, \"*@b.example\" ] } }\n";
    let program = crate::program(&format!("{}{tools}", crate::steps(STEPS)));
    program.labels.acts["a"].clone()
}

fn value(json: &str) -> Value {
    Value::from_json(json.as_bytes()).expect("JSON")
}

/// Judges with these values of names.
fn judge(act: &ActLabels, names: &str, with: &str) -> Now {
    let names = value(names);
    let value_of = |expr: &Expr| -> Result<Result<Value, String>, ()> {
        let values: Vec<Value> =
            expr.roots().iter().map(|root| names.get(&root.name).cloned().unwrap_or_default()).collect();
        Ok(expr.eval(&values))
    };
    act.judge(&value_of, &value(with)).expect("every value is at hand")
}

fn shown(names: &str, with: &str, expected: Expect) {
    let now = judge(&act(), names, with);
    let labels: Vec<&str> = now.labels.iter().map(|label| &**label).collect();
    let control: Vec<&str> = now.control_untrusted.keys().map(|argument| &**argument).collect();
    let mut text = format!("carries {}\nuntrusted control: {}\n", labels.join(", "), control.join(", "));
    now.reasons.iter().for_each(|reason| text.push_str(&format!("{reason}\n")));
    expected.assert_eq(&text);
}

const WITH: &str = r#"{"to":"p1","cents":5,"mail":"ann@b.example","text":"t"}"#;

#[test]
fn ties_and_lists_that_hold_leave_no_untrusted_control_argument() {
    shown(
        r#"{"said":{"id":"p1","cents":5},"input":{"ids":["p0","p1"],"most":5}}"#,
        WITH,
        expect![[r#"
            carries generated, private, untrusted
            untrusted control: 
        "#]],
    );
}

#[test]
fn ties_that_do_not_hold_say_why() {
    shown(
        r#"{"said":{"id":"p9","cents":6},"input":{"ids":["p0","p1"],"most":5}}"#,
        r#"{"to":"p9","cents":6,"mail":"ann@c.example","text":"t"}"#,
        expect![[r#"
            carries generated, private, untrusted
            untrusted control: cents, mail, to
            `said.cents` is not trusted: it is not at most `input.most`
            `said.id` is not trusted: it is not in `input.ids`
            `cents` of `box.put` comes from `input.body`, which is untrusted
            `mail` of `box.put` comes from `input.body`, which is untrusted
            `to` of `box.put` comes from `input.body`, which is untrusted
        "#]],
    );
}

#[test]
fn what_cannot_be_asked_does_not_hold() {
    shown(
        r#"{"said":{"id":null},"input":{"ids":"p1","most":"many"}}"#,
        WITH,
        expect![[r#"
        carries generated, private, untrusted
        untrusted control: cents, to
        `said.cents` is not trusted: `said` has no `cents`
        `said.id` is not trusted: it is none
        `cents` of `box.put` comes from `input.body`, which is untrusted
        `to` of `box.put` comes from `input.body`, which is untrusted
    "#]],
    );
    shown(
        r#"{"said":{"id":"p1","cents":"5"},"input":{"ids":"p1","most":7}}"#,
        WITH,
        expect![[r#"
        carries generated, private, untrusted
        untrusted control: cents, to
        `said.cents` is not trusted: it is not at most `input.most`
        `said.id` is not trusted: `input.ids` gave a text, no list
        `cents` of `box.put` comes from `input.body`, which is untrusted
        `to` of `box.put` comes from `input.body`, which is untrusted
    "#]],
    );
}

#[test]
fn every_item_of_a_list_must_be_in_the_list() {
    let names = |ids: &str| format!(r#"{{"said":{{"id":{ids},"cents":1}},"input":{{"ids":["p0","p1"],"most":5}}}}"#);
    let untrusted = |ids: &str| judge(&act(), &names(ids), WITH).control_untrusted.contains_key("to");
    assert!(!untrusted(r#"["p1","p0"]"#));
    assert!(untrusted(r#"["p1","p2"]"#));
}

#[test]
fn an_argument_that_is_not_sent_is_not_asked_about() {
    let now = judge(&act(), "{}", r#"{"text":"t","mail":null}"#);
    assert!(now.control_untrusted.is_empty(), "{now:?}");
    assert!(now.labels.contains(UNTRUSTED), "what was tied stays untrusted");
}

#[test]
fn a_value_that_is_not_at_hand_is_asked_for() {
    let asked = RefCell::new(0);
    let value_of = |_: &Expr| -> Result<Result<Value, String>, &str> {
        *asked.borrow_mut() += 1;
        Err("look")
    };
    assert_eq!(act().judge(&value_of, &value(WITH)), Err("look"));
    assert_eq!(*asked.borrow(), 1);
}

#[test]
fn an_action_that_is_proposed_brings_its_origins() {
    let program = crate::program(&crate::steps(STEPS));
    let operation = &program.tools["box"].operations["put"];
    let arguments = BTreeMap::from([
        ("/to".into(), Origin::of(UNTRUSTED, "input.body")),
        ("/text".into(), Origin::of("private", "look.text")),
    ]);
    let act = ActLabels::of("talk".into(), "box.put".into(), operation, arguments);
    let now = judge(&act, "{}", r#"{"to":"eve","text":"t"}"#);
    assert_eq!(now.labels.iter().map(|label| &**label).collect::<Vec<_>>(), ["private", "untrusted"]);
    assert_eq!(now.reasons, ["`to` of `box.put` comes from `input.body`, which is untrusted"]);
}
