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
    for bytes in [
        &b"{}"[..],
        b"",
        b"[]",
        b"{\"format\":1,\"files\":{},\"schema\":{\"entityTypes\":{},\"actions\":{\"a\":{\"x\":1}}}}",
    ] {
        assert!(matches!(Policies::load(bytes), Err(LoadError::Unreadable(_))));
    }
    let no_schema = br#"{"format":1,"files":{},"schema":{"entityTypes":{},"actions":{"a.b":{"appliesTo":{"principalTypes":["X"],"resourceTypes":["X"],"context":{"type":"Record","attributes":{}}}}}}}"#;
    assert!(matches!(Policies::load(no_schema), Err(LoadError::Complaints(_))));
    let newer = String::from_utf8(policies.to_bytes().to_vec()).unwrap().replace("\"format\":1", "\"format\":2");
    assert!(matches!(Policies::load(newer.as_bytes()), Err(LoadError::Newer { found: 2 })));
    let broken = String::from_utf8(policies.to_bytes().to_vec()).unwrap().replace("input.cents >", "input.cent >");
    assert!(matches!(Policies::load(broken.as_bytes()), Err(LoadError::Complaints(_))));
}

#[test]
fn rules_end_where_cedar_ends_them() {
    let text = "// a; b \"\n@id(\"x;\\\"//\") // c;\npermit (principal, action, resource) when { \";\" == \"//\" };@id(\"y\")forbid(principal,action,resource);\n// end ;\nrest";
    let file = "policies/allow/a.cedar".into();
    let found: Vec<(u32, u32, &str)> =
        Raw::all(&file, text).iter().map(|raw| (raw.head().line, raw.head().column, raw.text)).collect();
    assert_eq!(
        found,
        [
            (2, 1, "@id(\"x;\\\"//\") // c;\npermit (principal, action, resource) when { \";\" == \"//\" };"),
            (3, 59, "@id(\"y\")forbid(principal,action,resource);"),
            (5, 1, "rest"),
        ]
    );
    let notes = Raw::all(&file, "@a ( \"x)\" ) @b@c(\n\"z\")\npermit(principal,action,resource);");
    let notes: Vec<(&str, &str)> =
        notes[0].notes().iter().map(|note| (note.key, &notes[0].text[note.value_at.0..][..note.value_at.1])).collect();
    assert_eq!(notes, [("a", "\"x)\""), ("b", "@b"), ("c", "\"z\"")]);
}

/// Whatever stands in a file gives complaints or rules, never a panic and never the end of the stack.
#[test]
fn strange_and_deep_texts_are_survived() {
    let head = "@id(\"x\") permit (principal, action, resource) when ";
    let deep = |open: &str, middle: &str, close: &str| {
        let times = (read::MAX_BYTES - head.len() - middle.len() - 8) / (open.len() + close.len());
        format!("{head}{{ {}{middle}{} }};", open.repeat(times), close.repeat(times))
    };
    let texts = [
        "@".into(),
        "@id".into(),
        "@id(".into(),
        "@id(\"".into(),
        "@id(\"x\"".into(),
        "@id(x) permit (principal, action, resource);".into(),
        "@é(\"x\") permit (principal, action, resource);".into(),
        ";;;".into(),
        "\u{0}".into(),
        "// nothing".into(),
        format!("{head}{{ {}true }};", "true || ".repeat(read::MAX_OPERATORS)),
        format!("{head}{{ {}true }};", "if true then true else ".repeat(read::MAX_OPERATORS)),
        format!("{head}{{ context{} }};", "[\"a\"]".repeat(read::MAX_OPERATORS)),
        format!("{head}{{ context.now{} }};", ".offset(duration(\"1s\"))".repeat(read::MAX_OPERATORS)),
        format!("{head}{{ context{} }};", ".a".repeat(16)),
        format!("{head}{{ {}1{} }};", "[".repeat(15), "]".repeat(15)),
        format!("{head}{{ 1{} }};", "+1".repeat(read::MAX_OPERATORS)),
        format!("{head}{{ {}[[[[[[[[[[[[[[1]]]]]]]]]]]]]] == 1 }};", "true || ".repeat(read::MAX_OPERATORS - 16)),
        deep("true || ", "true", ""),
        deep("true && ", "true", ""),
        deep("(", "true", ")"),
        deep("!", "true", ""),
        deep("[", "1", "]"),
        deep("{a:", "1", "}"),
        format!("{head}{{ context{} }};", ".a".repeat(4000)),
        deep("1+", "1", ""),
        deep("if true then true else ", "true", ""),
        format!("{head}{{ true{} }};", " || true".repeat(100_000)),
    ];
    for text in &texts {
        let sources = sources(&format!("--- policies/allow/a.cedar\n{text}\n"));
        let checked = project::check(&sources);
        let passes = checked.project.is_some();
        assert!(passes || !checked.complaints.is_empty(), "{}", &text[..text.len().min(80)]);
        if let Some(policies) = checked.project.and_then(|project| project.policies) {
            let _ = decide(&policies, &pay(1));
        }
    }
}

/// Only what rules read is given to Cedar: what they read must be all that they can see.
#[test]
fn every_way_to_read_a_fact_is_noticed() {
    for (condition, reads, matches) in [
        ("context has run.env && context.run.env == \"demo\"", "run.env", true),
        ("context.run has env", "run.env", true),
        ("{a: context.run}[\"a\"].steps == 3", "run", true),
        ("{a: context.input}[\"a\"].cents == 7", "input", true),
        ("[context.input.cents, 1].contains(7)", "input.cents", true),
        (
            "(if context.input has tags then context.input.tags.contains(\"x\") else context.input.cents == 7)",
            "input.tags input.cents",
            true,
        ),
        ("context[\"input\"][\"payment\"] like \"p*\"", "input.payment", true),
        ("context.now >= datetime(\"2026-11-20\") && context.now.toTime() < duration(\"10h\")", "now", true),
        ("resource == Payment::\"p1\" && principal.version == \"v12\"", "resource principal.version", true),
        ("principal has model && principal.model == \"x\"", "principal.model", false),
        ("principal in Workflow::\"w\" && action in Action::\"Money\"", "principal action", true),
        ("context.labels.isEmpty() && context.control_untrusted == []", "", false),
        ("context.labels.isEmpty() && !context.control_untrusted.contains(\"x\")", "labels control_untrusted", true),
        ("-context.history.paid_90d < 1 unless { context.input.cents == 8 }", "history.paid_90d input.cents", true),
    ] {
        let (condition, more) = condition.split_once(" unless ").unwrap_or((condition, "{ false }"));
        let text = format!(
            "{ALLOW}--- policies/never/x.cedar\n@id(\"x\") forbid (principal is Step, action == Action::\"bank.pay\", resource) when {{ {condition} }} unless {more};\n"
        );
        // Strict validation refuses the empty set, whose type nobody knows.
        if reads.is_empty() {
            assert!(project::check(&sources(&text)).project.is_none());
            continue;
        }
        let policies = policies(&text);
        let found: Vec<&str> = policies.rule("x").unwrap().reads().map(|name| &**name).collect();
        assert_eq!(found.join(" "), reads, "{condition}");
        let decision = decide(&policies, &Ask { env: Some("demo"), ..pay(7) });
        assert_eq!(decision.rule(), if matches { "x" } else { "all.ours" }, "{condition}: {decision:?}");
    }
}

#[test]
fn terms_are_the_strictest_of_each() {
    let terms = |groups: &[&str], quorum, expires: Option<&str>, on_expiry: OnExpiry, editable: &[&str]| Terms {
        groups: vec![groups.iter().map(|group| Arc::from(*group)).collect()],
        quorum,
        expires: expires.map(|text| text.parse().unwrap()),
        on_expiry,
        editable: editable.iter().map(|field| Arc::from(*field)).collect(),
        no_self: quorum > 1,
        severity: Severity::Low,
    };
    let to = |groups: &[&str]| OnExpiry::Escalate(groups.iter().map(|group| Arc::from(*group)).collect());
    let (a, b) = (
        terms(&["a"], 1, Some("4h"), to(&["x", "y"]), &["cents", "note"]),
        terms(&["b"], 3, None, to(&["y"]), &["note"]),
    );
    for both in [a.clone().and(&b), b.clone().and(&a)] {
        assert_eq!((both.groups.len(), both.quorum, both.no_self), (2, 3, true));
        assert_eq!((both.expires, &both.on_expiry), ("4h".parse().ok(), &to(&["y"])));
        assert_eq!(both.editable, b.editable);
    }
    let other = terms(&["a"], 1, Some("1h"), to(&["z"]), &[]);
    let both = a.and(&other);
    assert_eq!((both.groups.len(), both.expires, both.on_expiry), (1, "1h".parse().ok(), OnExpiry::Deny));
    assert!(both.editable.is_empty());
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
            },
            sizes: {    }
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
            },
            sizes: {
              tags: __cedar::Long
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
            },
            sizes: {    }
          }
        };
    "#]]
    .assert_eq(&policies(ALLOW).schema_text());
}
