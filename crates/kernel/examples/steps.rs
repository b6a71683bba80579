//! How long the kernel takes for a pure step: `next`, sealing, applying. Prints JSON lines; no disk, no runtime.
//!
//! `cargo run --release -p kernel --example steps`

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement needs a clock and prints")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use kernel::{
    governance::charter::Charter,
    ids::RunId,
    journal::Entry,
    next::{Facts, Next, Starter, next, start},
    run::RunState,
    values::{Timestamp, Value},
    workflow::project::{Sources, check},
};

fn project(steps: &str) -> Sources {
    let workflow = format!("workflow: w\nresult: {{ value: =input.n }}\nstages:\n  - stage: only\n    steps:\n{steps}");
    [("workflows/w.yaml".to_owned(), workflow), ("surefoot.yaml".to_owned(), "project: bench\n".to_owned())]
        .into_iter()
        .collect()
}

fn drive(sources: &Sources, runs: u32) -> (u64, f64) {
    let project = check(sources).project.expect("a project without errors");
    let program = project.workflows.values().next().expect("a workflow");
    let input = Value::map([("n", Value::from(1_u32))]);
    let (blobs, in_flight) = (BTreeMap::new(), BTreeSet::new());
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    let (charter, counters) = (Charter::default(), BTreeMap::new());
    let (blobs, in_flight, charter, counters) = (&blobs, &in_flight, &charter, &counters);
    let (refused, places, cooling) = (&BTreeMap::new(), &BTreeMap::new(), &BTreeMap::new());
    let (tenant, key) = ("main", &[0; 32]);
    let facts = Facts {
        now,
        epoch: 1,
        blobs,
        in_flight,
        charter,
        counters,
        refused,
        places,
        cooling,
        answers: &BTreeMap::new(),
        tenant,
        key,
    };
    let begun = Instant::now();
    let mut entries = 0;
    for number in 0..runs {
        let mut random = [0; 10];
        random[..4].copy_from_slice(&number.to_be_bytes());
        let run = RunId::new(now, random);
        let first = start(program, run, 1, (&input, &Starter::default()), now, [1; 16]).expect("the input fits").first;
        let mut state = RunState::new(run);
        let event = first.event().expect("sealed above");
        state.apply(&first, event).expect("it fits");
        while state.end.is_none() {
            for one in next(program, &state, &facts) {
                let (Next::Record(record) | Next::Finish(record)) = one else { panic!("not pure") };
                let entry = Entry::seal(run, state.head, 1, now, [2; 16], &record.event);
                state.apply(&entry, record.event).expect("it fits");
                entries += 1;
            }
        }
    }
    (entries, begun.elapsed().as_secs_f64())
}

fn main() {
    let mut chain = String::new();
    for step in 0..10 {
        let before = if step == 0 { "input.n".to_owned() } else { format!("s{}.n", step - 1) };
        chain.push_str(&format!("      - step: s{step}\n        set: {{ n: ={before} + 1 }}\n"));
    }
    let (entries, seconds) = drive(&project(&chain), 20_000);
    println!(
        "{{\"case\":\"chain\",\"entries_per_s\":{:.0},\"us_per_entry\":{:.2}}}",
        entries as f64 / seconds,
        seconds * 1e6 / entries as f64
    );
    for turns in [100, 10_000] {
        let steps = format!(
            "      - step: all\n        repeat: {{ max: {turns}, steps: [ {{ step: one, set: {{ n: =index + 1 }} }} ] }}\n"
        );
        let (entries, seconds) = drive(&project(&steps), 1_000_000 / turns / 10);
        println!("{{\"case\":\"repeat {turns}\",\"us_per_entry\":{:.2}}}", seconds * 1e6 / entries as f64);
    }
    let steps = "      - step: all\n        each: range(200) | list\n        max_parallel: 200\n        steps: [ { step: one, set: { n: =item + 1 } } ]\n";
    let (entries, seconds) = drive(&project(steps), 50);
    println!(
        "{{\"case\":\"each 200\",\"us_per_entry\":{:.2},\"ms_a_run\":{:.2}}}",
        seconds * 1e6 / entries as f64,
        seconds * 1e3 / 50.0
    );
}
