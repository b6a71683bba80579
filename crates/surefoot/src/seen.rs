//! What the model calls of a run were shown, against what the run knew at that time.

use kernel::{
    context::tokens_of,
    journal::{BodyResult, Entry, Event, Held, StepResult},
};
use serde::Serialize;

/// Tokens are the upper estimate that manifests use: three bytes each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Model calls.
    pub calls: u64,
    /// What their manifests list.
    pub shown: u64,
    /// What they would have been shown, had each been given the same texts and every value that the run had by then: the input, and
    /// what its steps gave.
    pub everything: u64,
    /// What providers billed, input and output together.
    pub billed: u64,
}

impl Seen {
    /// Counts the entries of one run, from its first.
    pub fn of(journal: &[(Entry, Event)]) -> Seen {
        let (mut seen, mut known) = (Seen::default(), 0);
        for (_, event) in journal {
            if let Event::ModelAnswered { usage, .. } = event {
                seen.billed += usage.tokens();
            }
            match event {
                Event::RunStarted { input, .. } => known += size(input),
                Event::StepDone { output, .. }
                | Event::WaitEnded { output, .. }
                | Event::AnswerReused { output, .. }
                | Event::PartReused { output, .. }
                | Event::ModelAnswered { result: StepResult::Done(output), .. }
                | Event::ActionFinished { result: StepResult::Done(output), .. } => known += size(output),
                // What a block gives is made of what its steps gave.
                Event::BodyDone { result: BodyResult::Gave(_), .. } => {}
                Event::ModelAsked { manifest, .. } => {
                    let texts = manifest.segments.iter().filter(|segment| segment.source.is_none());
                    seen.calls += 1;
                    seen.shown += manifest.tokens_est;
                    seen.everything += known + texts.map(|segment| segment.tokens_est).sum::<u64>();
                }
                _ => {}
            }
        }
        seen
    }

    /// Several runs together.
    #[must_use]
    pub fn and(self, other: Seen) -> Seen {
        Seen {
            calls: self.calls + other.calls,
            shown: self.shown + other.shown,
            everything: self.everything + other.everything,
            billed: self.billed + other.billed,
        }
    }
}

fn size(held: &Held) -> u64 {
    match held {
        Held::Value(value) => tokens_of(&value.as_str().map_or_else(|| value.to_json(), str::to_owned)),
        Held::Blob(blob) => blob.bytes.div_ceil(3),
    }
}
