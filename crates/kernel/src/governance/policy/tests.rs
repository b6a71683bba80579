use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use expect_test::expect;

use super::*;
use crate::{
    values::{Money, Timestamp, Value},
    workflow::project::{self, Project},
};

/// A project with a bank that can list, pay and tell, and `policies`: `--- path` begins a file.
fn sources(policies: &str) -> Sources {
    let mut files = vec![
        ("surefoot.yaml".to_owned(), "project: test\n".to_owned()),
        ("workflows/w.yaml".to_owned(), "workflow: w\nstages:\n  - stage: only\n    steps:\n      - step: pay\n        act: bank.pay\n        with: { payment: p1, cents: 100 }\n".to_owned()),
        (
            "tools/bank.yaml".to_owned(),
            "tool: bank\nnative: true\noperations:\n  list: { effect: read }\n  pay:\n    effect: idempotent\n    params: schemas/pay.yaml\n    \
             resource: { type: Payment, id: =with.payment }\n    groups: [ Money, Irreversible ]\n    \
             counts: { paid_90d: { by: =with.payment, sum: =with.cents, window: 90d } }\n  tell:\n    effect: idempotent\n    \
             params: schemas/tell.yaml\n    groups: [ Outward ]\n"
                .to_owned(),
        ),
        (
            "schemas/pay.yaml".to_owned(),
            "type: object\nrequired: [ payment, cents ]\nadditionalProperties: false\nproperties:\n  payment: { type: string }\n  \
             cents: { type: integer }\n  note: { type: string }\n  rate: { type: number }\n  any: {}\n  tags: { type: array, items: { type: string } }\n"
                .to_owned(),
        ),
        (
            "people.yaml".to_owned(),
            "groups: { desk: {}, finance: {}, owners: {} }\npeople: { ann: { name: Ann, groups: [ desk, finance, owners ] } }\n".to_owned(),
        ),
        (
            "schemas/tell.yaml".to_owned(),
            "type: object\nrequired: [ to ]\nproperties: { to: { type: string } }\n".to_owned(),
        ),
    ];
    for line in policies.lines() {
        match line.strip_prefix("--- ") {
            Some(path) => files.push((path.to_owned(), String::new())),
            None => {
                let (_, text) = files.last_mut().expect("a path comes first");
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    files.into_iter().collect()
}

fn project(policies: &str) -> Project {
    let sources = sources(policies);
    let checked = project::check(&sources);
    let said: String =
        checked.complaints.iter().map(|one| one.render(sources.get(&one.file).map(|text| &**text))).collect();
    assert_eq!(said, "");
    checked.project.expect("no complaint, so a project")
}

fn policies(policies: &str) -> Arc<Policies> {
    project(policies).policies.expect("it has policies")
}

/// What may differ between the requests of these tests.
struct Ask {
    operation: &'static str,
    input: Value,
    person: Option<&'static str>,
    paid: Option<i64>,
    labels: &'static [&'static str],
    resource: Option<(&'static str, &'static str)>,
    env: Option<&'static str>,
}

fn pay(cents: i64) -> Ask {
    Ask {
        operation: "pay",
        input: Value::map([("payment", Value::text("p1")), ("cents", Value::Int(cents))]),
        person: None,
        paid: Some(0),
        labels: &[],
        resource: Some(("Payment", "p1")),
        env: None,
    }
}

fn tell(to: &str) -> Ask {
    let input = Value::map([("to", Value::text(to))]);
    Ask { operation: "tell", input, paid: None, resource: None, ..pay(0) }
}

fn decide(policies: &Policies, ask: &Ask) -> Decision {
    let history: BTreeMap<Arc<str>, i64> = ask.paid.map(|paid| ("paid_90d".into(), paid)).into_iter().collect();
    let labels: BTreeSet<Arc<str>> = ask.labels.iter().map(|label| Arc::from(*label)).collect();
    policies.decide(&Request {
        tenant: "acme",
        workflow: "w",
        version: "v12",
        step: "pay",
        model: None,
        on_behalf_of: ask.person,
        tool: "bank",
        operation: ask.operation,
        resource: ask.resource,
        input: &ask.input,
        run: RunFacts { id: "run_1", attempt: 1, steps: 3, cost: Money::from_micros(1500), env: ask.env },
        history: &history,
        labels: &labels,
        control_untrusted: &BTreeSet::new(),
        now: Timestamp::parse("2026-11-20T09:00:00Z").unwrap(),
    })
}

fn say(decision: &Decision) -> String {
    let matched = |all: &[Matched]| {
        let mut text = String::new();
        for one in all {
            let values: Vec<_> = one.values.iter().map(|(name, value)| format!("{name}={}", value.to_json())).collect();
            let _ = write!(text, " {} ({}) [{}]", one.id, one.at, values.join(" "));
        }
        text
    };
    match decision {
        Decision::Allow { by } => format!("allow{}", matched(by)),
        Decision::Ask { by, terms } => format!("ask{}\n{terms:?}", matched(by)),
        Decision::Deny { by: Some(by), error: false, why } => {
            format!("deny{}: {why}", matched(std::slice::from_ref(by)))
        }
        Decision::Deny { why, .. } => format!("deny {}: {why}", decision.rule()),
    }
}

const ALLOW: &str = r#"
--- policies/allow/all.cedar
@id("all.ours")
permit (principal, action, resource);
"#;

const WHOLE: &str = r#"
--- policies/never/money.cedar
// Nothing above this, whoever asks.
@id("pay.cap") @reason("above 2 000 the treasury pays")
forbid (principal, action == Action::"bank.pay", resource)
when { context.input.cents > 200000 };

@id("no.leak")
forbid (principal, action in Action::"Outward", resource)
when { context.labels.containsAll(["private", "untrusted"]) };
--- policies/allow/bank.cedar
@id("bank.pay")
permit (principal is Step in Workflow::"w", action in [Action::"bank.pay", Action::"bank.list"], resource);
@id("bank.tell")
permit (principal is Step, action == Action::"bank.tell", resource) when { context.input.to like "*@acme.example" };
@id("people")
permit (principal == Person::"u_88", action == Action::"bank.pay", resource);
--- policies/ask/money.cedar
@id("pay.review")
@approve_by("finance, owners") @quorum("2") @expires("4h") @on_expiry("escalate") @escalate_to("owners")
@editable("cents,note") @no_self("true") @severity("high")
forbid (principal is Step, action in Action::"Money", resource)
when { context.input.cents > 20000 || context.history.paid_90d > 100000 };

@id("pay.noted") @approve_by("desk") @expires("30m") @editable("note")
forbid (principal is Step, action == Action::"bank.pay", resource)
when { context.input has note && principal.version == "v12" };
"#;

#[test]
fn never_then_allow_then_ask() {
    let policies = policies(WHOLE);
    let noted = Value::map([("payment", Value::text("p1")), ("cents", Value::Int(30_000)), ("note", Value::text("x"))]);
    for (ask, wanted) in [
        (pay(100), expect!["allow bank.pay (policies/allow/bank.cedar:1) []"]),
        (
            pay(200_001),
            expect![[
                r#"deny pay.cap (policies/never/money.cedar:2) [input.cents=200001]: above 2 000 the treasury pays"#
            ]],
        ),
        (
            pay(20_001),
            expect![[r#"
                ask pay.review (policies/ask/money.cedar:1) [input.cents=20001 history.paid_90d=0]
                Terms { groups: [["finance", "owners"]], quorum: 2, expires: Some(Span(14400000000)), on_expiry: Escalate(["owners"]), editable: {"cents", "note"}, no_self: true, severity: High }"#]],
        ),
        (
            Ask { paid: Some(100_001), ..pay(100) },
            expect![[r#"
                ask pay.review (policies/ask/money.cedar:1) [input.cents=100 history.paid_90d=100001]
                Terms { groups: [["finance", "owners"]], quorum: 2, expires: Some(Span(14400000000)), on_expiry: Escalate(["owners"]), editable: {"cents", "note"}, no_self: true, severity: High }"#]],
        ),
        (
            Ask { input: noted, ..pay(0) },
            expect![[r#"
                ask pay.review (policies/ask/money.cedar:1) [input.cents=30000 history.paid_90d=0] pay.noted (policies/ask/money.cedar:7) [input.note="x" principal.version="v12"]
                Terms { groups: [["finance", "owners"], ["desk"]], quorum: 2, expires: Some(Span(1800000000)), on_expiry: Deny, editable: {"note"}, no_self: true, severity: High }"#]],
        ),
        (
            tell("a@acme.example"),
            expect![[r#"allow bank.tell (policies/allow/bank.cedar:3) [input.to="a@acme.example"]"#]],
        ),
        (
            tell("a@evil.example"),
            expect!["deny not_allowed: no rule in policies/allow/ permits `bank.tell` for the step `w/pay`"],
        ),
        (
            Ask { labels: &["private", "untrusted"], ..tell("a@acme.example") },
            expect![[
                r#"deny no.leak (policies/never/money.cedar:6) [labels=["private","untrusted"]]: `no.leak` denies `bank.tell`"#
            ]],
        ),
    ] {
        wanted.assert_eq(&say(&decide(&policies, &ask)));
    }
}

#[test]
fn the_step_and_the_person_it_acts_for_must_both_be_allowed() {
    let policies = policies(WHOLE);
    let wanted = expect!["allow bank.pay (policies/allow/bank.cedar:1) [] people (policies/allow/bank.cedar:5) []"];
    wanted.assert_eq(&say(&decide(&policies, &Ask { person: Some("u_88"), ..pay(100) })));
    let wanted = expect!["deny not_allowed: no rule in policies/allow/ permits `bank.pay` for the person `u_99`"];
    wanted.assert_eq(&say(&decide(&policies, &Ask { person: Some("u_99"), ..pay(100) })));
}

#[test]
fn what_cannot_be_judged_is_denied() {
    let policies = policies(WHOLE);
    let broken = |ask: Ask| {
        let decision = decide(&policies, &ask);
        assert_eq!(decision.rule(), POLICY_ERROR, "{decision:?}");
        say(&decision)
    };
    expect!["deny policy_error: no policy knows `bank.burn`"].assert_eq(&broken(Ask { operation: "burn", ..pay(1) }));
    expect!["deny policy_error: `bank.pay` cannot be judged: the counter `paid_90d` has no value"]
        .assert_eq(&broken(Ask { paid: None, ..pay(1) }));
    expect!["deny policy_error: `bank.pay` cannot be judged: the resource is Account, and the schema has Payment"]
        .assert_eq(&broken(Ask { resource: Some(("Account", "p1")), ..pay(1) }));
    expect!["deny policy_error: `bank.pay` cannot be judged: `input.cents` is missing"]
        .assert_eq(&broken(Ask { input: Value::map([("payment", Value::text("p"))]), ..pay(1) }));
    let text = Value::map([("payment", Value::text("p")), ("cents", Value::text("9"))]);
    expect!["deny policy_error: `bank.pay` cannot be judged: `input.cents` is a text, and the schema has Long"]
        .assert_eq(&broken(Ask { input: text, ..pay(1) }));
    let fraction = Value::map([("payment", Value::text("p")), ("cents", Value::Float(0.5))]);
    expect!["deny policy_error: `bank.pay` cannot be judged: `input.cents` is a number, and the schema has Long"]
        .assert_eq(&broken(Ask { input: fraction, ..pay(1) }));
}

/// Cedar itself would skip the rule and allow. Seen to allow when `matches` ignores the diagnostics.
#[test]
fn a_rule_that_fails_while_it_is_evaluated_denies() {
    let overflow = "when { context.input.cents * 100000 > 5 };\n";
    let ask = Ask {
        input: Value::map([("payment", Value::text("p")), ("cents", Value::Int(crate::values::MAX_INT))]),
        ..pay(1)
    };
    for (folder, notes, head) in
        [("never", "", "forbid"), ("allow", "", "permit"), ("ask", "@approve_by(\"desk\") ", "forbid")]
    {
        let rule = format!(
            "{ALLOW}--- policies/{folder}/x.cedar\n@id(\"x\") {notes}{head} (principal, action == Action::\"bank.pay\", resource)\n{overflow}"
        );
        let policies = policies(&rule);
        let decision = decide(&policies, &ask);
        assert_eq!(decision.rule(), POLICY_ERROR, "{folder}: {decision:?}");
        assert!(
            say(&decision).contains(&format!("`x` (policies/{folder}/x.cedar:1): integer overflow")),
            "{}",
            say(&decision)
        );
        assert_ne!(decide(&policies, &pay(0)).rule(), POLICY_ERROR, "{folder}");
    }
}

#[test]
fn kept_policies_decide_the_same() {
    let policies = policies(WHOLE);
    let again = Policies::load(policies.to_bytes()).unwrap();
    assert_eq!(again.digest(), policies.digest());
    assert_eq!(again.to_bytes(), policies.to_bytes());
    for ask in [pay(100), pay(20_001), pay(200_001), tell("a@acme.example"), tell("b")] {
        assert_eq!(decide(&again, &ask), decide(&policies, &ask));
    }
    assert!(matches!(Policies::load(b"{}"), Err(LoadError::Unreadable(_))));
    let newer = String::from_utf8(policies.to_bytes().to_vec()).unwrap().replace("\"format\":1", "\"format\":2");
    assert!(matches!(Policies::load(newer.as_bytes()), Err(LoadError::Newer { found: 2 })));
    let broken = String::from_utf8(policies.to_bytes().to_vec()).unwrap().replace("input.cents >", "input.cent >");
    assert!(matches!(Policies::load(broken.as_bytes()), Err(LoadError::Complaints(_))));
}

#[test]
fn the_schema_is_made_from_the_tools() {
    expect![[r#"
        entity Payment;

        entity Person in [Tenant];

        entity Step in [Workflow] = {
          model?: __cedar::String,
          on_behalf_of?: Person,
          version: __cedar::String
        };

        entity Tenant;

        entity Tool;

        entity Workflow in [Tenant];

        action "Irreversible";

        action "Money";

        action "Outward";

        action "bank.list" appliesTo {
          principal: [Step, Person],
          resource: [Tool],
          context: {
            control_untrusted: Set<__cedar::String>,
            history: {    },
            input: {    },
            labels: Set<__cedar::String>,
            now: __cedar::datetime,
            run: {
              attempt: __cedar::Long,
              cost_microusd: __cedar::Long,
              env?: __cedar::String,
              id: __cedar::String,
              steps: __cedar::Long,
              workflow: __cedar::String
            }
          }
        };

        action "bank.pay" in [Action::"Irreversible", Action::"Money"] appliesTo {
          principal: [Step, Person],
          resource: [Payment],
          context: {
            control_untrusted: Set<__cedar::String>,
            history: {
              paid_90d: __cedar::Long
            },
            input: {
              cents: __cedar::Long,
              note?: __cedar::String,
              payment: __cedar::String,
              tags?: Set<__cedar::String>
            },
            labels: Set<__cedar::String>,
            now: __cedar::datetime,
            run: {
              attempt: __cedar::Long,
              cost_microusd: __cedar::Long,
              env?: __cedar::String,
              id: __cedar::String,
              steps: __cedar::Long,
              workflow: __cedar::String
            }
          }
        };

        action "bank.tell" in [Action::"Outward"] appliesTo {
          principal: [Step, Person],
          resource: [Tool],
          context: {
            control_untrusted: Set<__cedar::String>,
            history: {    },
            input: {
              to: __cedar::String
            },
            labels: Set<__cedar::String>,
            now: __cedar::datetime,
            run: {
              attempt: __cedar::Long,
              cost_microusd: __cedar::Long,
              env?: __cedar::String,
              id: __cedar::String,
              steps: __cedar::Long,
              workflow: __cedar::String
            }
          }
        };
    "#]]
    .assert_eq(&policies(ALLOW).schema_text());
}
