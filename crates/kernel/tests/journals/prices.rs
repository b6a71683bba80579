//! What a model call is charged stands in the journal, and prices of another day change nothing of it.

use std::sync::Arc;

use expect_test::expect;
use kernel::{
    governance::{
        budget::{Charged, PriceFrom, Tariff},
        charter::Change,
    },
    journal::{Entry, Event, Head},
    run::RunState,
    values::Timestamp,
};

use crate::drive::{Drive, Outside, project};

const PRICED: &str = r#"
    --- surefoot.yaml
    project: test
    models: { small: { provider: registered, max_tokens: 100, price: { input: 1.00, output: 2.00, as_of: 2026-11-01 } } }
    --- workflows/think.yaml
    workflow: think
    stages:
      - stage: only
        steps:
          - { step: first, reason: prompts/a.md, model: small, see: { text: input.text }, output: schemas/o.yaml }
          - { step: send, act: box.put, with: { text: fixed } }
    --- prompts/a.md
    Say something.
    --- schemas/o.yaml
    type: object
    --- tools/box.yaml
    tool: box
    native: true
    operations: { put: { effect: idempotent } }
    --- policies/allow/all.cedar
    @id("all") permit (principal, action, resource);
    --- policies/never/dear.cedar
    @id("dear") @reason("the run has cost too much") forbid (principal, action == Action::"box.put", resource)
    when { context.run.cost_microusd > 19 };
"#;

/// The models' prices are part of the charter.
fn priced(text: &str) -> Drive {
    let mut drive = Drive::governed(text, "", r#"{"text": "a"}"#, Outside::default());
    let change = project(text).file.limits();
    let by: Arc<str> = "ann".into();
    drive.charter.apply(drive.charter.generation + 1, &change, (&by, Timestamp::default()), None).unwrap();
    drive
}

#[test]
fn a_rule_reads_what_the_run_has_cost_also_where_nothing_is_limited() {
    let mut drive = priced(PRICED);
    drive.run();
    assert_eq!(drive.state.unlimited.charged_uusd, 20, "10 in at 1 and 5 out at 2: {}", drive.outline());
    assert!(drive.outline().contains("the run has cost too much"), "{}", drive.outline());
    let mut cheap = priced(&PRICED.replace("> 19", "> 20"));
    cheap.run();
    assert!(cheap.outline().contains("run completed"), "{}", cheap.outline());
}

/// The charges of a run, in order.
fn charges(drive: &Drive) -> Vec<Charged> {
    let charged = drive.events.iter().filter_map(|event| match event {
        Event::ModelAnswered { charged, .. } => charged.as_deref().cloned(),
        _ => None,
    });
    charged.collect()
}

/// The same journal as it was written before charges were kept in it.
fn older(drive: &Drive) -> Vec<Entry> {
    let (mut head, mut entries) = (Head::START, Vec::new());
    for entry in &drive.entries {
        let mut event = entry.event().unwrap();
        if let Event::ModelAnswered { charged, .. } = &mut event {
            *charged = None;
        }
        let entry = Entry::seal(drive.state.run, head, entry.epoch, entry.at, [0; 16], &event);
        assert!(!String::from_utf8_lossy(entry.body.as_deref().unwrap()).contains("charged"));
        head = entry.head();
        entries.push(entry);
    }
    entries
}

/// The run up to the answer of its model, gone on with in a process whose project says these prices.
fn dearer(first: &Drive, entries: &[Entry]) -> Drive {
    let mut drive = first.resumed(entries);
    let change = project(&PRICED.replace("input: 1.00", "input: 100.00")).file.limits();
    let by: Arc<str> = "ann".into();
    drive.charter.apply(drive.charter.generation + 1, &change, (&by, Timestamp::default()), None).unwrap();
    drive.run();
    drive
}

#[test]
fn a_price_that_is_corrected_changes_nothing_of_what_was_charged() {
    let mut first = priced(&PRICED.replace("> 19", "> 20"));
    first.die_after = Some(3);
    first.run();
    let [charged] = &charges(&first)[..] else { panic!("one call: {}", first.outline()) };
    let price = charged.price.unwrap();
    assert_eq!((charged.money_uusd, &charged.by, charged.forfeit), (20, &PriceFrom::Own, false));
    assert_eq!((price.input.micros(), price.output.micros()), (1_000_000, 2_000_000));
    assert_eq!(Some(price.as_of), Timestamp::parse("2026-11-01"));
    // The rule that is judged after the correction reads what was charged before it.
    let gone_on = dearer(&first, &first.entries);
    assert!(gone_on.outline().contains("run completed"), "{}", gone_on.outline());
    assert_eq!((charges(&gone_on), gone_on.state.unlimited.charged_uusd), (vec![charged.clone()], 20));
}

#[test]
fn what_an_older_journal_does_not_say_is_taken_at_the_prices_of_today() {
    let mut first = priced(&PRICED.replace("> 19", "> 20"));
    first.die_after = Some(3);
    first.run();
    let old = older(&first);
    let mut folded = RunState::new(first.state.run);
    folded.fold(&old).expect("an old journal folds");
    assert_eq!((folded.unlimited.charged_uusd, folded.unlimited.usage["small"].input), (0, 10));
    let gone_on = dearer(&first, &old);
    assert!(gone_on.outline().contains("the run has cost too much"), "1010 are above 20: {}", gone_on.outline());
}

#[test]
fn a_call_whose_cost_nobody_learned_is_charged_what_was_set_aside() {
    let limited = PRICED.replace("workflow: think\n", "workflow: think\n    budget: { money: 1 USD }\n");
    let mut drive = priced(&limited);
    drive.outside = Outside::new("first#1: !provider_timeout maybe_sent");
    drive.run();
    let found: Vec<_> = charges(&drive).into_iter().map(|charged| (charged.money_uusd, charged.forfeit)).collect();
    let sum: i64 = found.iter().map(|(micros, _)| micros).sum();
    assert_eq!(drive.state.spent.settled.money_uusd, sum, "{}", drive.outline());
    assert!(found.iter().any(|(micros, forfeit)| *forfeit && *micros > 20), "{found:?}: {}", drive.outline());
}

const SERVED: &str = r#"
    --- surefoot.yaml
    project: test
    models: { small: { provider: openai_chat, base_url: "http://127.0.0.1:1/v1", model: x, max_tokens: 100, price: free } }
    --- workflows/think.yaml
    workflow: think
    stages: [ { stage: only, steps: [ { step: first, reason: prompts/a.md, model: small, output: schemas/o.yaml } ] } ]
    --- prompts/a.md
    Say something.
    --- schemas/o.yaml
    type: object
"#;

#[test]
fn a_model_behind_a_server_is_not_asked_without_a_price_though_nothing_is_limited() {
    let drive = |price: bool| {
        let mut drive = Drive::governed(SERVED, "", "{}", Outside::default());
        let mut change = project(SERVED).file.limits();
        // As a project was made known before a price was asked of it.
        if let (Change::Limits { models, .. }, false) = (&mut change, price) {
            for rate in models.values_mut() {
                rate.tariff = Tariff::Billed { price: None, cap: Some(100), list: None };
            }
        }
        let (by, no): (Arc<str>, _) = ("ann".into(), drive.charter.generation + 1);
        drive.charter.apply(no, &change, (&by, Timestamp::default()), None).unwrap();
        drive.run();
        drive
    };
    let free = drive(true);
    let found: Vec<_> = charges(&free).into_iter().map(|charged| (charged.money_uusd, charged.by)).collect();
    assert_eq!(found, [(0, PriceFrom::Free)], "{}", free.outline());
    expect![[r#"
        1   run started: think
        2   first: failed, budget_exceeded: what a call of the model `small` costs today is not known: write `price` at the model, or `price: free`
        3   first: paused until a person resumes
    "#]]
    .assert_eq(&drive(false).outline());
}
