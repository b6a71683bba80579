//! Crash after every entry: the rest of the journal comes out the same, nothing recorded is done again.

use kernel::journal::Event;

use crate::drive::{Drive, Outside, program};

const MIXED: &str = r#"
        --- workflows/mixed.yaml
        workflow: mixed
        result: { value: { rate: =rate.score, all: =all, both: =both, name: =pause.by } }
        stages:
          - stage: first
            steps:
              - step: begin
                set: { words: =input.items }
              - step: rate
                reason: prompts/rate.md
                model: small
                see: { words: begin.words }
                output: schemas/rating.yaml
              - step: all
                each: begin.words
                as: word
                max_parallel: 2
                steps:
                  - step: put
                    act: box.put
                    with: { text: =word }
                  - step: rest
                    wait: { for: 1s }
              - step: route
                decide: [ { when: rate.score > 0.2, then: more } ]
                otherwise: next
          - stage: more
            steps:
              - step: both
                parallel:
                  branches:
                    left: { steps: [ { step: l, act: box.get } ] }
                    right: { steps: [ { step: r, native: "f@1", with: 1 } ] }
          - stage: last
            steps:
              - step: pause
                wait: { signal: go, for: 1h }
        --- prompts/rate.md
        Rate {{ words }}.
        --- schemas/rating.yaml
        type: object
        required: [ score ]
        properties: { score: { type: number } }
        --- tools/box.yaml
        tool: box
        native: true
        operations: { put: { effect: idempotent }, get: { effect: read } }
"#;
const OUTSIDE: &str =
    "rate#1: {\"score\": \"x\"}\nrate: {\"score\": 0.5}\nput#1: !tool_timeout maybe_sent\nput: {\"id\": 1}";

/// The outline without what a crash may add: sendings and their numbers.
fn essence(drive: &Drive) -> Vec<String> {
    let mut lines: Vec<String> = drive
        .events
        .iter()
        .filter(|event| {
            !matches!(event, Event::ActionResent { .. } | Event::ModelAsked { .. } | Event::FailureAnswered { .. })
                && !matches!(event, Event::ActionFinished { result: kernel::journal::StepResult::Failed(_), .. })
                && !matches!(event, Event::ModelAnswered { result: kernel::journal::StepResult::Failed(_), .. })
        })
        .map(kernel::story::line)
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_crash_after_any_entry_changes_nothing() {
    let program = program(MIXED);
    let input = r#"{"items": ["a", "b", "c"]}"#;
    let mut whole = Drive::new(program.clone(), input, Outside::new(OUTSIDE));
    whole.run();
    assert!(whole.state.end.is_some(), "{}", whole.outline());
    let mut cuts = 0;
    for cut in 1..whole.entries.len() {
        let mut cut_off = Drive::new(program.clone(), input, Outside::new(OUTSIDE));
        cut_off.die_after = Some(cut);
        cut_off.run();
        assert_eq!(cut_off.entries.len(), cut, "died after entry {cut}");
        let mut resumed = cut_off.resumed(&cut_off.entries);
        resumed.run();
        assert!(resumed.state.end.is_some(), "crashed after entry {cut}\n{}", resumed.outline());
        let (wanted, found) = (result(&whole), result(&resumed));
        assert_eq!(wanted, found, "crashed after entry {cut}\n{}", resumed.outline());
        let done = |drive: &Drive| {
            let mut steps: Vec<String> = drive
                .events
                .iter()
                .filter_map(|event| match event {
                    Event::StepDone { step, .. } | Event::Decided { step, .. } | Event::WaitEnded { step, .. } => {
                        Some(step.to_string())
                    }
                    Event::ActionFinished { step, result: kernel::journal::StepResult::Done(_), .. }
                    | Event::ModelAnswered { step, result: kernel::journal::StepResult::Done(_), .. } => {
                        Some(step.to_string())
                    }
                    _ => None,
                })
                .collect();
            steps.sort();
            steps
        };
        assert_eq!(done(&whole), done(&resumed), "each step is done once; crashed after entry {cut}");
        assert_eq!(essence(&whole).len(), essence(&resumed).len(), "crashed after entry {cut}");
        // Every sending of one intent carries one key and the same bytes.
        let mut calls: Vec<&String> =
            cut_off.calls.iter().chain(&resumed.calls).filter(|one| one.starts_with("call")).collect();
        calls.sort();
        calls.dedup();
        assert_eq!(calls.len(), 4, "crashed after entry {cut}: {calls:?}");
        cuts += 1;
    }
    assert!(cuts > 30, "{cuts} cuts");
}

fn result(drive: &Drive) -> String {
    format!("{:?}", drive.state.end.as_ref().map(|end| (end.end, end.result.clone())))
}

#[test]
fn an_event_that_does_not_fit_is_an_error() {
    let program = program(MIXED);
    let mut whole = Drive::new(program, r#"{"items": ["a"]}"#, Outside::new(OUTSIDE));
    whole.run();
    let mut refused = 0;
    for (place, event) in whole.events.iter().enumerate() {
        // Every event, repeated at once or told at the start, is refused.
        let mut state = kernel::run::RunState::new(whole.state.run);
        state.fold(&whole.entries[..=place]).expect("a journal folds");
        let head = whole.entries[place].head();
        let again = kernel::journal::Entry::seal(whole.state.run, head, 1, whole.now, [1; 16], event);
        assert!(state.fold([&again]).is_err(), "entry {} twice: {}", place + 1, kernel::story::line(event));
        refused += 1;
    }
    assert_eq!(refused, whole.events.len());
}
