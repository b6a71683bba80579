//! What a model was shown: how much of each layer, each piece with its source, and what was billed for it.

use kernel::{
    context::{Layer, Manifest},
    governance::budget::{Amounts, Unit},
    ids::StepPath,
    journal::{Entry, Event, StepResult, Usage},
};

use super::{bar::Bar, words};

/// One sending to a model.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The entry that announced it.
    pub(crate) seq: u64,
    pub(crate) path: StepPath,
    pub(crate) step: String,
    pub(crate) attempt: u32,
    pub(crate) model: String,
    pub(crate) tokens: u64,
    pub(crate) bar: Bar,
    /// `shared 400 (20 %)`.
    pub(crate) layers: Vec<(&'static str, String)>,
    pub(crate) pieces: Vec<Piece>,
    /// Where a layer ends in what a provider's cache may hold.
    pub(crate) edges: Vec<String>,
    pub(crate) request: String,
    /// What came of it, if something did.
    pub(crate) answer: Option<Answer>,
}

/// One piece of what was shown.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) layer: &'static str,
    pub(crate) id: String,
    /// The expression that gave it.
    pub(crate) source: Option<String>,
    pub(crate) tokens: u64,
    pub(crate) labels: String,
    pub(crate) reduced: String,
    pub(crate) digest: String,
}

/// An answer, as it was billed.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The entry.
    pub(crate) seq: u64,
    pub(crate) failed: bool,
    /// Bucket by bucket, and what it cost of what was set aside; nothing: no token.
    pub(crate) billed: String,
}

/// What was billed, bucket by bucket: no token is in two of them.
pub(crate) fn buckets(usage: &Usage) -> Vec<(&'static str, u64)> {
    vec![
        ("input", usage.input),
        ("input read from a cache", usage.cache_read),
        ("input written to a cache", usage.cache_write),
        ("output", usage.output),
        ("reasoning", usage.reasoning),
    ]
}

fn name(layer: Layer) -> &'static str {
    match layer {
        Layer::Shared => "shared",
        Layer::Stage => "stage",
        Layer::Task => "task",
    }
}

/// Every sending of a run, in the order of its journal.
pub(crate) fn calls(entries: &[Entry]) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for entry in entries {
        match entry.event() {
            Ok(Event::ModelAsked { step, attempt, model, route, manifest, .. }) => {
                let route = route.map(|route| format!(" of route {route}")).unwrap_or_default();
                calls.push(call(entry.seq, step, attempt, format!("{model}{route}"), &manifest));
            }
            Ok(Event::ModelAnswered { step, attempt, result, usage, spent, .. }) => {
                let of = |call: &&mut Call| call.path == step && call.attempt == attempt;
                let Some(call) = calls.iter_mut().rev().find(of) else { continue };
                let money = spent.map_or(0, |spent: Amounts| spent.get(Unit::Money));
                let tokens = buckets(&usage).into_iter().filter(|(_, count)| *count > 0);
                let mut billed: Vec<String> = tokens.map(|(name, count)| format!("{count} {name}")).collect();
                if money > 0 {
                    billed.push(Unit::Money.show(money));
                }
                call.answer = Some(Answer {
                    seq: entry.seq,
                    failed: matches!(result, StepResult::Failed(_)),
                    billed: billed.join(", "),
                });
            }
            _ => {}
        }
    }
    calls
}

fn call(seq: u64, step: StepPath, attempt: u32, model: String, manifest: &Manifest) -> Call {
    let total = manifest.tokens_est.max(1);
    let mut layers = Vec::new();
    for layer in [Layer::Shared, Layer::Stage, Layer::Task] {
        let of = manifest.segments.iter().filter(|segment| segment.layer == layer);
        let tokens: u64 = of.map(|segment| segment.tokens_est).sum();
        if tokens > 0 {
            layers.push((name(layer), format!("{tokens} ({} %)", (tokens * 100 + total / 2) / total)));
        }
    }
    let shares = manifest.segments.iter().map(|segment| {
        let says =
            format!("{}: {}, about {} tokens", name(segment.layer), words::plain(&segment.id), segment.tokens_est);
        (segment.tokens_est, name(segment.layer), says)
    });
    let told: Vec<String> = layers.iter().map(|(layer, said)| format!("{layer} {said}")).collect();
    let mut bar = Bar::of(total, shares, format!("about {} tokens: {}", manifest.tokens_est, told.join(", ")));
    let mut edges = Vec::new();
    for edge in &manifest.edges {
        let layer = name(edge.layer);
        // As tokens are estimated: three bytes each.
        bar = bar.mark(
            edge.at.div_ceil(3),
            total,
            format!("the {layer} layer ends here: a cache may hold what stands before"),
        );
        edges.push(format!("the {layer} layer ends after {} bytes, prefix {}", edge.at, edge.prefix.short()));
    }
    let pieces = manifest.segments.iter().map(|segment| Piece {
        layer: name(segment.layer),
        id: words::plain(&segment.id),
        source: segment.source.as_deref().map(str::to_owned),
        tokens: segment.tokens_est,
        labels: words::plain(&segment.labels.join(" ")),
        reduced: segment.reduced.as_deref().map(words::plain).unwrap_or_default(),
        digest: segment.digest.short(),
    });
    Call {
        seq,
        step: words::plain(step.as_str()),
        path: step,
        attempt,
        model,
        tokens: manifest.tokens_est,
        bar,
        layers,
        pieces: pieces.collect(),
        edges,
        request: manifest.request.short(),
        answer: None,
    }
}
