//! Budgets: set aside before a call, settled after it; what does not fit does not start.

use expect_test::expect;
use kernel::{
    governance::{
        budget::{Amounts, Exceeded, Period, Unit},
        charter::{Change, Charter},
    },
    ids::StepPath,
    journal::Event,
    run::RunState,
    values::Timestamp,
};

use crate::drive::{Drive, Outside, project};

/// A project whose models have prices: 1 dollar a token of `dear`'s output, of which it promises one.
fn priced(budgets: &str, workflow: &str) -> String {
    let margin = workflow.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    let pad = " ".repeat(margin.len() - margin.trim_start().len());
    let file = r"
project: test
models:
  small: { provider: registered }
  priced: { provider: registered, max_tokens: 100, price: { input: 3.00, output: 15.00, as_of: 2026-11-01 } }
  dear: { provider: registered, max_tokens: 1, price: { input: 0.00, output: 1000000.00, as_of: 2026-11-01 } }
";
    let file: String = file.lines().chain(budgets.lines()).map(|line| format!("{pad}{line}\n")).collect();
    format!("{workflow}\n{pad}--- surefoot.yaml\n{file}")
}

fn driven(text: &str, outside: &str) -> Drive {
    let mut drive = Drive::governed(text, "", "{}", Outside::new(outside));
    limit(&mut drive.charter, text);
    drive.run();
    drive
}

/// Makes the budgets and prices of the project file those of today.
fn limit(charter: &mut Charter, text: &str) {
    let change = project(text).file.limits();
    let read = Change::read(charter.generation + 1, &change.to_bytes()).expect("it reads back");
    charter.apply(charter.generation + 1, &read, (&"ann".into(), Timestamp::default()), None).expect("limits");
}

#[track_caller]
fn folds(drive: &Drive) {
    let mut folded = RunState::new(drive.state.run);
    folded.fold(&drive.entries).expect("the journal folds");
    assert_eq!(folded, drive.state, "folding the stored journal gives the state that ran");
}

/// What each event set aside and cost.
fn books(drive: &Drive) -> String {
    let show = |amounts: &Amounts| {
        let limited = Unit::ALL.into_iter().filter(|unit| amounts.get(*unit) != 0);
        limited.map(|unit| unit.show(amounts.get(unit))).collect::<Vec<_>>().join(", ")
    };
    let mut out = String::new();
    for (entry, event) in drive.entries.iter().zip(&drive.events) {
        if let Some((step, reserved)) = event.reserves() {
            let lines: Vec<String> =
                reserved.lines.iter().map(|line| format!(" {} {}", line.scope, line.unit.word())).collect();
            out += &format!("{:<3} {step} reserves {};{}\n", entry.seq, show(&reserved.max), lines.join(","));
        }
        match event {
            Event::ModelAnswered { step, spent, .. } | Event::ActionFinished { step, spent, .. } => {
                let spent = spent.map_or_else(|| "what is not known".to_owned(), |spent| show(&spent));
                out += &format!("{:<3} {step} costs {spent}\n", entry.seq);
            }
            _ => {}
        }
    }
    let spent = &drive.state.spent;
    out + &format!("settled {}; reserved {:?}\n", show(&spent.settled), spent.reserved.keys().collect::<Vec<_>>())
}

fn steps(budget: &str, models: &[&str]) -> String {
    let steps: String = (1..)
        .zip(models)
        .map(|(n, model)| {
            format!("              - {{ step: s{n}, reason: prompts/p.md, model: {model}, output: schemas/o.yaml }}\n")
        })
        .collect();
    format!(
        "
        --- workflows/w.yaml
        workflow: w
        {budget}
        stages:
          - stage: only
            steps:
{steps}
        --- prompts/p.md
        Go.
        --- schemas/o.yaml
        type: object
"
    )
}

#[test]
fn a_run_without_limits_writes_nothing_about_them() {
    let drive = driven(&priced("", &steps("", &["priced"])), "");
    let text =
        String::from_utf8(drive.entries.iter().flat_map(|entry| entry.body.as_deref().unwrap()).copied().collect());
    let text = text.unwrap();
    assert!(!text.contains("reserved") && !text.contains("spent"), "{text}");
    assert!(drive.state.end.is_some());
}

#[test]
fn the_call_that_does_not_fit_pauses_the_run_and_goes_on_after_a_raise() {
    let text = priced("", &steps("budget: { calls: 2, money: 1 USD }", &["priced", "small", "priced"]));
    // Nobody could know before that the last one runs.
    let text = text.replace("step: s3,", "step: s3, when: input.last is not defined,");
    let mut drive = driven(&text, "");
    expect![[r#"
        1   run started: w
        2   s1: asked model priced, about 1 tokens
        3   s1: answered {"ok":true}
        4   s2: asked model small, about 1 tokens
        5   s2: answered {"ok":true}
        6   s3: failed, budget_exceeded: `run` has no room for 1 call more: 0 calls of 2 calls is left
        7   s3: paused until a person resumes
    "#]]
    .assert_eq(&drive.outline());
    expect![[r#"
        2   s1 reserves $0.002325, 375 tokens, 1 call, 1m;
        3   s1 costs $0.000105, 15 tokens, 1 call
        4   s2 reserves 1 call, 1m;
        5   s2 costs 1 call
        settled $0.000105, 15 tokens, 2 calls; reserved []
    "#]]
    .assert_eq(&books(&drive));
    folds(&drive);
    // A resume alone changes nothing; a raise and a resume do.
    drive.outside = Outside::new("> resume\n> raise - {\"unit\":\"calls\",\"limit\":3,\"auth\":\"local\"}\n> resume");
    drive.run();
    let outline = drive.outline();
    let after = outline.lines().skip(7).collect::<Vec<_>>().join("\n");
    expect![[r#"
        8   resume asked by ann
        9   s3: failed, budget_exceeded: `run` has no room for 1 call more: 0 calls of 2 calls is left
        10  s3: paused until a person resumes
        11  ann raised the run's budget of calls to 3 calls
        12  resume asked by ann
        13  s3: asked model priced, about 1 tokens
        14  s3: answered {"ok":true}
        15  stage only done
        16  run completed null"#]]
    .assert_eq(&after);
    folds(&drive);
}

#[test]
fn what_one_pass_announces_counts_for_the_rest_of_it() {
    let text = priced(
        "",
        "
        --- workflows/w.yaml
        workflow: w
        budget: { calls: 3 }
        stages:
          - stage: only
            steps:
              - step: all
                each: '[1, 2, 3, 4, 5]'
                max_parallel: 5
                steps: [ { step: put, act: box.put } ]
        --- tools/box.yaml
        tool: box
        native: true
        operations: { put: { effect: idempotent } }
",
    );
    let mut drive = driven(&text, "");
    assert_eq!(drive.calls.len(), 3, "{}", drive.outline());
    assert_eq!((drive.state.paused, drive.state.spent.total().calls), (true, 3), "{}", drive.outline());
    drive.outside = Outside::new("> raise - {\"unit\":\"calls\",\"limit\":5,\"auth\":\"local\"}\n> resume");
    drive.run();
    assert_eq!(drive.calls.len(), 5, "{}", drive.outline());
    assert!(drive.state.end.is_some());
    folds(&drive);
}

#[test]
fn an_overrun_freezes_until_a_person_has_looked() {
    let text = priced("", &steps("budget: { money: 20 USD }", &["dear", "small"]));
    let mut drive = driven(&text, "");
    expect![[r#"
        1   run started: w
        2   s1: asked model dear, about 1 tokens
        3   s1: answered {"ok":true}
        4   s2: failed, budget_exceeded: `run` is frozen: a call cost $4.00 more than was reserved for it
        5   s2: paused until a person resumes
    "#]]
    .assert_eq(&drive.outline());
    drive.outside = Outside::new("> raise - {\"unit\":\"money_uusd\",\"limit\":1,\"auth\":\"local\"}\n> resume");
    drive.run();
    assert!(drive.state.end.is_some(), "{}", drive.outline());
    folds(&drive);
}

#[test]
fn the_next_owner_forfeits_what_its_predecessor_had_set_aside() {
    let text = priced("", &steps("budget: { calls: 2 }", &["priced", "priced"]));
    let whole = driven(&text, "");
    assert!(whole.state.end.is_some());
    // Killed while `s1` is asked: asked again, it has cost two calls, and there is no room for `s2`.
    let mut resumed = whole.resumed(&whole.entries[..2]);
    resumed.run();
    expect![[r#"
        1   run started: w
        2   s1: asked model priced, about 1 tokens
        3   s1: asked model priced, attempt 2, about 1 tokens
        4   s1: answered {"ok":true}
        5   s2: failed, budget_exceeded: `run` has no room for 1 call more: 0 calls of 2 calls is left
        6   s2: paused until a person resumes
    "#]]
    .assert_eq(&resumed.outline());
    assert_eq!(resumed.state.spent.settled.calls, 2);
    folds(&resumed);
    // Killed while `s2` is asked: there is no room to ask it again.
    let mut resumed = whole.resumed(&whole.entries[..4]);
    resumed.run();
    expect![[r#"
        1   run started: w
        2   s1: asked model priced, about 1 tokens
        3   s1: answered {"ok":true}
        4   s2: asked model priced, about 1 tokens
        5   s2: failed, budget_exceeded: `run` has no room for 1 call more: 0 calls of 2 calls is left
        6   s2: paused until a person resumes
    "#]]
    .assert_eq(&resumed.outline());
    folds(&resumed);
    resumed.outside = Outside::new("> raise - {\"unit\":\"calls\",\"limit\":3,\"auth\":\"local\"}\n> resume");
    resumed.run();
    assert_eq!((resumed.state.spent.settled.calls, resumed.state.end.is_some()), (3, true), "{}", resumed.outline());
}

const PAY: &str = "
        --- workflows/w.yaml
        workflow: w
        stages:
          - stage: only
            steps:
              - step: pay
                act: bank.pay
                on_failure: { tool_error: [ { retry: 2 } ] }
        --- tools/bank.yaml
        tool: bank
        native: true
        operations: { pay: { effect: at_most_once, cost: 0.02 USD, timeout: 5s } }
        --- policies/allow/all.cedar
        @id(\"all\") permit (principal, action, resource);
";

#[test]
fn an_action_costs_what_its_tool_file_says_unless_nothing_was_sent() {
    let text = priced("budgets: { day: { money: 0.05 USD, calls: 9 } }", PAY);
    expect![[r#"
        2   pay reserves $0.02, 1 call, 5s; day money, day calls
        3   pay costs $0.02, 1 call
        settled $0.02, 1 call; reserved []
    "#]]
    .assert_eq(&books(&driven(&text, "")));
    // A retry of what was certainly not sent pays anew, and only for itself.
    expect![[r#"
        2   pay reserves $0.02, 1 call, 5s; day money, day calls
        3   pay costs 
        5   pay reserves $0.02, 1 call, 5s; day money, day calls
        6   pay costs $0.02, 1 call
        settled $0.02, 1 call; reserved []
    "#]]
    .assert_eq(&books(&driven(&text, "pay#1: !tool_error not_sent")));
}

#[test]
fn an_unknown_outcome_stays_reserved_until_somebody_knows() {
    let text = priced("budgets: { tenant: { per: ever, calls: 9 } }", PAY);
    let mut drive = driven(&text, "pay: !tool_timeout maybe_sent");
    assert_eq!(drive.state.spent.reserved.len(), 1, "{}", drive.outline());
    let resolve = "> resolve - {\"step\":\"pay\",\"resolution\":\"performed\",\"output\":{},\"auth\":\"local\"}";
    drive.outside = Outside::new(resolve);
    drive.run();
    expect![[r#"
        2   pay reserves $0.02, 1 call, 5s; tenant:main calls
        5   pay costs what is not known
        settled $0.02, 1 call, 5s; reserved []
    "#]]
    .assert_eq(&books(&drive));
    folds(&drive);
}

#[test]
fn what_the_store_has_no_room_for_fails_with_its_sentence_and_is_tried_again_later() {
    let text = priced("budgets: { day: { calls: 9 } }", &steps("", &["small"]));
    let mut drive = Drive::governed(&text, "", "{}", Outside::new("> resume"));
    limit(&mut drive.charter, &text);
    let (scope, unit) = ("day".into(), Unit::Calls);
    let full = Exceeded::Full { scope, unit, wanted: 1, left: Some(0), limit: 9, per: Period::Day };
    drive.full.insert(StepPath::new("s1"), full);
    drive.run();
    expect![[r#"
        1   run started: w
        2   s1: failed, budget_exceeded: `day` has no room for 1 call more: 0 calls of 9 calls a day is left
        3   s1: paused until a person resumes
        4   resume asked by ann
        5   s1: asked model small, about 1 tokens
        6   s1: answered {"ok":true}
        7   stage only done
        8   run completed null
    "#]]
    .assert_eq(&drive.outline());
    folds(&drive);
}

#[test]
fn a_model_that_nobody_has_priced_is_not_asked_where_money_is_limited() {
    let text = priced("", &steps("budget: { money: 1 USD }", &["priced"]));
    // The charter knows no prices: nobody made the project file known.
    let mut drive = Drive::governed(&text, "", "{}", Outside::default());
    drive.run();
    assert!(drive.state.paused && drive.calls.is_empty(), "{}", drive.outline());
    assert!(drive.outline().contains("the model `priced` has no price"), "{}", drive.outline());
}

#[test]
fn a_yes_is_kept_while_there_is_no_room() {
    let asks = "
        --- people.yaml
        groups: { boss: {} }
        people: { ann: { name: Ann, groups: [ boss ] } }
        --- policies/ask/all.cedar
        @id(\"look\") @approve_by(\"boss\") @expires(\"4h\")
        forbid (principal, action, resource);
";
    let pay = PAY.replace("workflow: w\n", "workflow: w\n        budget: { calls: 0 }\n");
    let raise = "> raise - {\"unit\":\"calls\",\"limit\":1,\"auth\":\"local\"}";
    let drive = driven(&priced("", &format!("{pay}{asks}")), &format!("> vote ann approve\n{raise}"));
    let lines: Vec<String> =
        drive.outline().lines().map(|line| line.split(" (apr_").next().unwrap().to_owned()).collect();
    expect![[r#"
        1   run started: w
        2   pay: asks boss by look to approve bank.pay {}
        3   pay: ann approved
        4   ann raised the run's budget of calls to 1 call
        5   pay: started bank.pay {}
        6   pay: finished {"ok":true}
        7   stage only done
        8   run completed null"#]]
    .assert_eq(&lines.join("\n"));
    folds(&drive);
}
