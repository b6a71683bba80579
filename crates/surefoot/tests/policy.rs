//! `surefoot policy`, as printed.

mod common;

use common::{Place, stable};
use expect_test::expect;

/// A shop that may give credit: freely up to 50, with leave up to 500, never above.
fn shop() -> Place {
    let place = Place::new();
    let files = [
        ("surefoot.yaml", "project: shop\n"),
        ("people.yaml", "groups: { leads: {} }\npeople: { ann: { name: Ann, groups: [ leads ] } }\n"),
        (
            "workflows/mail.yaml",
            "workflow: mail\nstages:\n  - stage: only\n    steps:\n      - step: give\n        act: shop.credit\n        with: { order: o_1, cents: 100 }\n",
        ),
        (
            "tools/shop.yaml",
            "tool: shop\nnative: true\noperations:\n  look: { effect: read }\n  credit:\n    effect: idempotent\n    params: schemas/credit.yaml\n    \
             resource: { type: Order, id: =with.order }\n    groups: [ Money ]\n    counts: { given_90d: { by: =with.order, sum: =with.cents, window: 90d } }\n",
        ),
        (
            "schemas/credit.yaml",
            "type: object\nrequired: [ order, cents ]\nproperties: { order: { type: string }, cents: { type: integer, minimum: 1 } }\n",
        ),
        (
            "policies/never/money.cedar",
            "@id(\"credit.cap\") @reason(\"above 500 nobody may\")\nforbid (principal, action in Action::\"Money\", resource)\nwhen { context.input.cents > 50000 };\n",
        ),
        (
            "policies/allow/mail.cedar",
            "@id(\"mail.credit\")\npermit (principal is Step in Workflow::\"mail\", action == Action::\"shop.credit\", resource);\n",
        ),
        (
            "policies/ask/money.cedar",
            "@id(\"credit.review\") @reason(\"more than the desk gives alone\")\n@approve_by(\"leads\") @expires(\"4h\") @editable(\"cents\")\n\
             forbid (principal, action in Action::\"Money\", resource)\nwhen { context.input.cents > 5000 || context.history.given_90d > 20000 };\n",
        ),
        (
            "policies/cases/money.yaml",
            "cases:\n  - case: a small credit is given\n    rule: credit.review\n    request: { action: shop.credit, step: mail/give, input: { order: o_1, cents: 4000 } }\n    expect: allow\n    by: mail.credit\n  \
             - case: a large one is asked about\n    rule: credit.cap\n    request: { action: shop.credit, step: mail/give, input: { order: o_1, cents: 5001 } }\n    expect: ask\n    by: credit.review\n  \
             - case: many small ones are asked about\n    request: { action: shop.credit, step: mail/give, input: { order: o_1, cents: 1 }, history: { given_90d: 20001 } }\n    expect: ask\n  \
             - case: nobody gives this much\n    request: { action: shop.credit, step: mail/give, input: { order: o_1, cents: 50001 } }\n    expect: deny\n    by: credit.cap\n",
        ),
    ];
    for (file, text) in files {
        place.write(&format!("shop/{file}"), text);
    }
    place
}

fn shown(place: &Place, args: &[&str]) -> String {
    let said = place.call(args);
    stable(&format!("{}{}--- {}\n", said.out, said.err, said.code))
}

#[test]
fn rules_are_listed_with_what_they_match() {
    let place = shop();
    expect![[r#"
        never
          credit.cap  policies/never/money.cedar:1
            shop.credit
            above 500 nobody may
        allow
          mail.credit  policies/allow/mail.cedar:1
            shop.credit
        ask
          credit.review  policies/ask/money.cedar:1
            shop.credit
            more than the desk gives alone
        denied shop.look: no rule allows it
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["policy", "ls", "shop"]));
    expect![[r#"
        {"digest":"<digest 1>","operations":["shop.credit","shop.look"],"rules":[{"at":"policies/never/money.cedar:1","id":"credit.cap","operations":["shop.credit"],"reads":["input.cents"],"reason":"above 500 nobody may","set":"never","terms":null},{"at":"policies/allow/mail.cedar:1","id":"mail.credit","operations":["shop.credit"],"reads":[],"reason":null,"set":"allow","terms":null},{"at":"policies/ask/money.cedar:1","id":"credit.review","operations":["shop.credit"],"reads":["input.cents","history.given_90d"],"reason":"more than the desk gives alone","set":"ask","terms":{"editable":["cents"],"expires_us":14400000000,"groups":[["leads"]],"no_self":false,"on_expiry":"deny","quorum":1,"severity":"medium"}}]}
        --- 0
    "#]].assert_eq(&shown(&place, &["policy", "ls", "shop", "--json"]));
    let schema = place.ok(&["policy", "ls", "shop", "--schema"]);
    assert!(schema.contains("action \"shop.credit\" in [Action::\"Money\"] appliesTo"), "{schema}");
}

#[test]
fn cases_are_judged_and_what_none_shows_is_named() {
    let place = shop();
    expect![[r#"
        ok a small credit is given  allow by mail.credit
        ok a large one is asked about  ask by credit.review
        ok many small ones are asked about  ask by credit.review
        ok nobody gives this much  deny by credit.cap
        unshown mail.credit: no case about it that is denied  policies/allow/mail.cedar:1
        4 cases, 0 wrong; 3 of 3 rules decided something
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["policy", "test", "shop"]));
    place.edit("shop/policies/ask/money.cedar", "cents > 5000 ", "cents > 9000 ");
    expect![[r#"
        ok a small credit is given  allow by mail.credit
        wrong a large one is asked about  policies/cases/money.yaml:7
           expected ask, but it is allow by `mail.credit`
        ok many small ones are asked about  ask by credit.review
        ok nobody gives this much  deny by credit.cap
        unshown mail.credit: no case about it that is denied  policies/allow/mail.cedar:1
        4 cases, 1 wrong; 3 of 3 rules decided something
        --- 3
    "#]]
    .assert_eq(&shown(&place, &["policy", "test", "shop"]));
    let said = place.call(&["policy", "test", "shop", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &report["ok"]), (3, &serde_json::Value::Bool(false)));
    assert_eq!(report["cases"][1]["decision"]["verdict"], "allow");
}

#[test]
fn a_case_that_names_what_there_is_not_is_no_case() {
    let place = shop();
    place.write(
        "shop/policies/cases/wrong.yaml",
        "cases:\n  - case: a\n    rule: credit.revew\n    request: { action: shop.credt, step: mail/give }\n    expect: ask\n  \
         - case: b\n    request: { action: shop.credit, step: give, input: { order: o_1 } }\n    expect: allow\n  \
         - case: c\n    request: { action: shop.credit, step: mail/give, input: { order: o_1, cents: 0 }, history: { given: 1 }, now: noon }\n    expect: allow\n  \
         - case: d\n    request: { action: shop.look, step: mail/give, resource: x }\n    expect: maybe\n",
    );
    expect![[r#"
        policies/cases/wrong.yaml:3:11: error[W057]: there is no rule `credit.revew`
            3 |     rule: credit.revew
              |           ^^^^^^^^^^^^
           help: did you mean `credit.review`?
        policies/cases/wrong.yaml:4:24: error[W057]: no tool has the operation `shop.credt`
            4 |     request: { action: shop.credt, step: mail/give }
              |                        ^^^^^^^^^^
           help: did you mean `shop.credit`?
        policies/cases/wrong.yaml:7:43: error[W057]: a step is named with its workflow: `workflow/step`
            7 |     request: { action: shop.credit, step: give, input: { order: o_1 } }
              |                                           ^^^^
        policies/cases/wrong.yaml:10:61: error[W057]: the input does not fit: `/cents`: 0 is less than 1
           10 |     request: { action: shop.credit, step: mail/give, input: { order: o_1, cents: 0 }, history: { given: 1 }, n
              |                                                             ^^^^^^^^^^^^^^^^^^^^^^^^
        policies/cases/wrong.yaml:10:98: error[W057]: the operation has no counter `given`
           10 |     request: { action: shop.credit, step: mail/give, input: { order: o_1, cents: 0 }, history: { given: 1 }, n
              |                                                                                                  ^^^^^
           help: did you mean `given_90d`?
        policies/cases/wrong.yaml:10:115: error[W004]: expected a time, as in `<time>`, but here stands the text `noon`
           10 | istory: { given: 1 }, now: noon }
              |                            ^^^^
        policies/cases/wrong.yaml:14:13: error[W005]: `maybe` cannot stand here
           14 |     expect: maybe
              |             ^^^^^
           help: one of `allow`, `ask`, `deny`
        error: the cases cannot be judged
        --- 3
    "#]].assert_eq(&shown(&place, &["policy", "test", "shop"]));
}

#[test]
fn a_request_is_explained() {
    let place = shop();
    let explained = |request: &str| {
        place.write("r.yaml", request);
        shown(&place, &["policy", "explain", "shop", "--request", "r.yaml"])
    };
    expect![[r#"
        deny shop.credit  by credit.cap
          above 500 nobody may

        credit.cap  policies/never/money.cedar:1
          above 500 nobody may
          input.cents = 60000
          | @id("credit.cap") @reason("above 500 nobody may")
          | forbid (principal, action in Action::"Money", resource)
          | when { context.input.cents > 50000 };
        without `credit.cap`: ask by credit.review
        --- 0
    "#]]
    .assert_eq(&explained("action: shop.credit\nstep: mail/give\ninput: { order: o_1, cents: 60000 }\n"));
    expect![[r#"
        ask shop.credit  by credit.review

        credit.review  policies/ask/money.cedar:1
          more than the desk gives alone
          input.cents = 6000
          history.given_90d = 0
          | @id("credit.review") @reason("more than the desk gives alone")
          | @approve_by("leads") @expires("4h") @editable("cents")
          | forbid (principal, action in Action::"Money", resource)
          | when { context.input.cents > 5000 || context.history.given_90d > 20000 };
        without `credit.review`: allow by mail.credit
        --- 0
    "#]]
    .assert_eq(&explained("action: shop.credit\nstep: mail/give\ninput: { order: o_1, cents: 6000 }\n"));
    // The rules allow it, and it would be denied all the same.
    let floor = explained(
        "action: shop.credit\nstep: mail/give\ninput: { order: o_1, cents: 60 }\ncontrol_untrusted: [ order ]\n",
    );
    expect![[r#"
        deny shop.credit  by untrusted-control, which every project has
          `order` says what `shop.credit` does, and is untrusted: tie it to trusted data with `trust:`, allow-list it in the tool file, or let an ask rule put it before a person

        by the rules of the project:
        allow shop.credit  by mail.credit

        mail.credit  policies/allow/mail.cedar:1
          | @id("mail.credit")
          | permit (principal is Step in Workflow::"mail", action == Action::"shop.credit", resource);
        without `mail.credit`: deny by not_allowed
        --- 0
    "#]].assert_eq(&floor);
    expect![[r#"
        deny shop.credit  by not_allowed
          no rule in policies/allow/ permits `shop.credit` for the person `u_1`
        no rule in policies/allow/ can match: write one
        --- 0
    "#]]
    .assert_eq(&explained("action: shop.credit\nstep: mail/give\nperson: u_1\ninput: { order: o_1, cents: 60 }\n"));
    expect![[r#"
        deny shop.look  by not_allowed
          no rule in policies/allow/ permits `shop.look` for the step `mail/give`
        no rule in policies/allow/ can match: write one
        --- 0
    "#]]
    .assert_eq(&explained("action: shop.look\nstep: mail/give\n"));
    expect![[r#"
        r.yaml:1:9: error[W057]: no tool has the operation `shop.lok`
            1 | action: shop.lok
              |         ^^^^^^^^
           help: did you mean `shop.look`?
        error: the request r.yaml cannot be judged
        --- 3
    "#]]
    .assert_eq(&explained("action: shop.lok\nstep: mail/give\n"));
    place.write(
        "r.json",
        "{\"action\": \"shop.credit\", \"step\": \"mail/give\", \"input\": {\"order\": \"o_1\", \"cents\": 6000}}",
    );
    expect![[r#"
        {"changes":[{"rule":"mail.credit","verdict":"allow","without":"credit.review"}],"could_allow":[],"decision":{"matched":[{"at":"policies/ask/money.cedar:1","id":"credit.review","reason":"more than the desk gives alone","values":[{"name":"input.cents","value":6000},{"name":"history.given_90d","value":0}]}],"rule":"credit.review","terms":{"editable":["cents"],"expires_us":14400000000,"groups":[["leads"]],"no_self":false,"on_expiry":"deny","quorum":1,"severity":"medium"},"verdict":"ask","why":null},"outcome":{"rule":"credit.review","verdict":"ask","why":null},"policy":"<digest 1>"}
        --- 0
    "#]].assert_eq(&shown(&place, &["policy", "explain", "shop", "--request", "r.json", "--json"]));
    expect![[r#"
        error: the request none.yaml cannot be read
          because: No such file or directory (os error 2)
        --- 4
    "#]]
    .assert_eq(&shown(&place, &["policy", "explain", "shop", "--request", "none.yaml"]));
}

#[test]
fn a_project_without_policies_says_so() {
    let place = Place::new();
    place.ok(&["init", "plain", "--template", "minimal"]);
    expect![[r#"
        error: the project plain has no folder policies/
          try: rules stand in policies/never/, policies/allow/ and policies/ask/
        --- 4
    "#]]
    .assert_eq(&shown(&place, &["policy", "ls", "plain"]));
}
