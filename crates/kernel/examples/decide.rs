//! How many decisions a second one thread makes, with 1, 10 and 50 rules about the operation that is judged, and as many about
//! another: `cargo run --release -p kernel --example decide`.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement: it prints, and it needs a clock")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use kernel::{
    governance::policy::{Decision, Policies, Request, RunFacts},
    values::{Money, Timestamp, Value},
    workflow::project::{self, Sources},
};

/// How long each case is measured.
const FOR: Duration = Duration::from_secs(2);

const WORKFLOW: &str = "workflow: w\nstages:\n  - stage: only\n    steps:\n      - step: pay\n        act: bank.list\n";
const TOOL: &str = "tool: bank
native: true
operations:
  list: { effect: read, groups: [ Reading ] }
  pay:
    effect: idempotent
    params: schemas/pay.yaml
    resource: { type: Payment, id: =with.payment }
    groups: [ Money, Irreversible ]
    counts: { paid_90d: { by: =with.payment, sum: =with.cents, window: 90d } }
";
const SCHEMA: &str = "type: object
required: [ payment, cents, to ]
properties:
  payment: { type: string }
  cents: { type: integer }
  to: { type: string }
  tags: { type: array, items: { type: string } }
";

/// A project with `rules` rules about `bank.pay`, one of which allows it, and as many about `bank.list`.
fn policies(rules: usize) -> Arc<Policies> {
    let mut allow = String::from("@id(\"pay\") permit (principal is Step, action in Action::\"Money\", resource);\n");
    let (mut never, mut ask) = (String::new(), String::new());
    for rule in 1..rules {
        let limit = 1_000_000 + rule;
        let text = match rule % 3 {
            0 => &mut allow,
            1 => &mut never,
            _ => &mut ask,
        };
        let _ = match rule % 3 {
            0 => writeln!(
                text,
                "@id(\"r{rule}\") permit (principal in Workflow::\"w\", action == Action::\"bank.pay\", resource) when {{ context.input.to like \"*@h{rule}.example\" }};"
            ),
            1 => writeln!(
                text,
                "@id(\"r{rule}\") forbid (principal, action in Action::\"Money\", resource) when {{ context.input.cents > {limit} }};"
            ),
            _ => writeln!(
                text,
                "@id(\"r{rule}\") @approve_by(\"desk\") forbid (principal, action == Action::\"bank.pay\", resource) when {{ context.history.paid_90d > {limit} || context.labels.contains(\"x{rule}\") }};"
            ),
        };
    }
    for rule in 0..rules {
        let _ = writeln!(
            allow,
            "@id(\"list{rule}\") permit (principal is Step, action in Action::\"Reading\", resource) when {{ context.run.steps < {} }};",
            rule + 1
        );
    }
    let mut files = vec![
        ("surefoot.yaml", "project: bench\n".to_owned()),
        ("workflows/w.yaml", WORKFLOW.to_owned()),
        ("tools/bank.yaml", TOOL.to_owned()),
        ("schemas/pay.yaml", SCHEMA.to_owned()),
        ("people.yaml", "groups: { desk: {} }\npeople: { ann: { name: Ann, groups: [ desk ] } }\n".to_owned()),
        ("policies/allow/all.cedar", allow),
    ];
    files.extend([("policies/never/all.cedar", never), ("policies/ask/all.cedar", ask)]);
    let sources: Sources = files.into_iter().collect();
    let checked = project::check(&sources);
    let project = checked.project.unwrap_or_else(|| panic!("{:?}", checked.complaints));
    project.policies.expect("the project has policies")
}

fn main() {
    let input = Value::map([
        ("payment", Value::text("p_1")),
        ("cents", Value::Int(1250)),
        ("to", Value::text("ada@acme.example")),
        ("tags", Value::list(["a", "b"].map(Value::text))),
    ]);
    let history = BTreeMap::from([("paid_90d".into(), 5000)]);
    let labels = BTreeSet::from(["private".into(), "untrusted".into()]);
    let request = Request {
        tenant: "acme",
        workflow: "w",
        version: "7f3a",
        step: "pay",
        model: None,
        on_behalf_of: None,
        tool: "bank",
        operation: "pay",
        resource: Some(("Payment", "p_1")),
        input: &input,
        run: RunFacts { id: "run_1", attempt: 1, steps: 3, cost: Money::from_micros(1500), env: None },
        history: &history,
        labels: &labels,
        control_untrusted: &BTreeSet::new(),
        now: Timestamp::from_micros(1_795_600_000_000_000),
    };
    for rules in [1, 10, 50] {
        let begun = Instant::now();
        let policies = policies(rules);
        let compiled = begun.elapsed();
        let (begun, mut decisions) = (Instant::now(), 0_u32);
        while begun.elapsed() < FOR {
            for _ in 0..100 {
                let decision = policies.decide(&request);
                assert!(matches!(decision, Decision::Allow { .. }), "{decision:?}");
            }
            decisions += 100;
        }
        let each = begun.elapsed() / decisions;
        println!(
            "{rules:>3} rules: {:>7} decisions/s, {:>5.1} µs each; compiled in {:.1} ms",
            1_000_000_000 / each.as_nanos().max(1),
            each.as_secs_f64() * 1e6,
            compiled.as_secs_f64() * 1e3,
        );
    }
}
