//! The pieces of one call: measured, made to fit, put together.

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

use super::{Ask, Layer, MAX_FIELDS, Offer, Segment, Turn, fence, fit, said, tokens_of};
use crate::{
    governance::labels::UNTRUSTED,
    ids::Digest,
    journal::Blob,
    next::{Frame, Stop, Walk},
    recovery::{Failure, FailureKind},
    values::{Map, Value},
    workflow::{Overflow, Prompt, See},
};

/// One item of a `see:`, with what becomes of it.
struct Piece<'a> {
    layer: Layer,
    see: &'a See,
    labels: BTreeSet<Arc<str>>,
    /// As the expression gave it.
    given: Value,
    /// As it is shown.
    shown: Shown,
    /// Why it is smaller than it was.
    reduced: Option<&'static str>,
    left_out: bool,
    aside: Option<Blob>,
}

/// A value with the text that models see of it, which is written once.
struct Shown {
    value: Value,
    text: String,
}

impl Shown {
    fn new(value: Value) -> Shown {
        let text = said(&value).into_owned();
        Shown { value, text }
    }
}

/// Everything that one call could show.
pub(super) struct Draft<'a> {
    ask: &'a Ask<'a>,
    /// The texts of the shared and the stage layer, with what they may take.
    shared: Option<&'a crate::workflow::Layer>,
    stage: Option<&'a crate::workflow::Layer>,
    pieces: Vec<Piece<'a>>,
    /// Some call of the workflow shows untrusted text.
    fences: bool,
    repairs: String,
}

/// The call put together.
pub(super) struct Drawn {
    pub system: String,
    pub user: String,
    pub segments: Vec<Segment>,
    pub edges: Vec<(Layer, usize)>,
}

impl Drawn {
    fn tokens(&self, layer: Option<Layer>) -> u64 {
        let of = self.segments.iter().filter(|one| layer.is_none_or(|layer| one.layer == layer && !one.is_ours()));
        of.map(|one| one.tokens_est).sum()
    }
}

impl Segment {
    /// Whether no file and no `see:` of the project has it.
    fn is_ours(&self) -> bool {
        self.source.is_none() && [FENCES, REPAIR].contains(&&*self.id)
    }
}

/// The segment that says what fences mean.
const FENCES: &str = "fences";
/// The segment with the errors of earlier answers.
const REPAIR: &str = "repair";

/// How often one item is made smaller for one limit: its fence and its place in the text are measured anew each time.
const TRIES: u32 = 4;

impl<'a> Draft<'a> {
    pub(super) fn new(
        ask: &'a Ask<'a>,
        walk: &Walk<'a>,
        frame: &Frame<'a>,
        repairs: &[&str],
    ) -> Result<Draft<'a>, Stop> {
        let (shared, stage) = (walk.program.context.as_ref(), frame.stage.context.as_ref());
        let labels = walk.program.labels.shown.get(ask.step);
        let of = |layer: Option<&'a crate::workflow::Layer>| layer.map_or(&[][..], |layer| layer.see.as_slice());
        let layers = [(Layer::Shared, of(shared)), (Layer::Stage, of(stage)), (Layer::Task, ask.see)];
        let mut pieces = Vec::new();
        for (layer, see) in layers.into_iter().flat_map(|(layer, see)| see.iter().map(move |see| (layer, see))) {
            let given = walk.compute(&see.from, frame)?;
            let known = labels.and_then(|all| all.iter().find(|one| one.layer == layer && one.item == see.name));
            // What nobody knows anything of comes from outside.
            let labels = known.map_or_else(|| [UNTRUSTED.into()].into(), |known| known.origin.words());
            let shown = Shown::new(given.clone());
            let mut piece = Piece { layer, see, labels, given, shown, reduced: None, left_out: false, aside: None };
            if let Some(limit) = see.tokens
                && piece.size() > limit
                && !piece.shrink(limit, "", walk, frame)?
            {
                let detail = format!("`{}` has about {} tokens, {limit} fit", see.name, piece.size());
                return Err(overflow(detail));
            }
            pieces.push(piece);
        }
        let mut draft = Draft {
            ask,
            shared,
            stage,
            pieces,
            fences: walk.program.labels.shows_untrusted() || labels.is_none(),
            repairs: String::new(),
        };
        draft.repairs = draft.before(ask.before.as_deref()) + &draft.repair(repairs);
        Ok(draft)
    }

    /// What became of an earlier attempt. It names what the model wrote of what it was shown.
    fn before(&self, told: Option<&str>) -> String {
        match told {
            None => String::new(),
            Some(told) if self.pieces.iter().any(Piece::is_untrusted) => {
                format!("\n\nWhat became of it until now:\n{}", fence::fenced("before", told))
            }
            Some(told) => format!("\n\nWhat became of it until now:\n{told}"),
        }
    }

    /// The errors of earlier answers. They may quote what the model wrote of what it was shown.
    fn repair(&self, errors: &[&str]) -> String {
        if errors.is_empty() {
            return String::new();
        }
        let list = errors.iter().map(|error| format!("- {error}")).collect::<Vec<_>>().join("\n");
        let untrusted = self.pieces.iter().any(Piece::is_untrusted);
        let list = if untrusted { fence::fenced(REPAIR, &list) } else { list };
        format!("\n\nYour last answer was not accepted. Answer again and mend this:\n{list}")
    }

    /// Puts the call together so that it keeps within its layers' and its own tokens. What must shrink does so from the last item
    /// to the first.
    pub(super) fn fit(&mut self, walk: &Walk<'a>, frame: &Frame<'a>) -> Result<Drawn, Stop> {
        let mut drawn = self.draw()?;
        for (layer, of) in [(Layer::Shared, self.shared), (Layer::Stage, self.stage)] {
            if let Some(limit) = of.and_then(|layer| layer.tokens) {
                drawn = self.press((Some(layer), limit), drawn, walk, frame)?;
            }
        }
        if let Some(limit) = self.ask.tokens {
            drawn = self.press((None, limit), drawn, walk, frame)?;
        }
        Ok(drawn)
    }

    fn press(
        &mut self,
        (layer, limit): (Option<Layer>, u64),
        mut drawn: Drawn,
        walk: &Walk<'a>,
        frame: &Frame<'a>,
    ) -> Result<Drawn, Stop> {
        let why = if layer.is_some() { ", for its layer" } else { ", for the call" };
        for index in (0..self.pieces.len()).rev() {
            for _ in 0..TRIES {
                let over = drawn.tokens(layer).saturating_sub(limit);
                if over == 0 {
                    return Ok(drawn);
                }
                let piece = &mut self.pieces[index];
                if layer.is_some_and(|layer| layer != piece.layer) || piece.see.required || piece.left_out {
                    break;
                }
                let wanted = piece.size().saturating_sub(over);
                if !piece.shrink(wanted, why, walk, frame)? {
                    break;
                }
                drawn = self.draw()?;
            }
        }
        let tokens = drawn.tokens(layer);
        if tokens <= limit {
            return Ok(drawn);
        }
        let within = |piece: &&Piece<'_>| layer.is_none_or(|layer| layer == piece.layer) && piece.see.required;
        let largest = self.pieces.iter().filter(within).max_by_key(|piece| piece.size());
        let what = match layer {
            Some(Layer::Shared) => "the shared layer",
            Some(Layer::Stage) => "the stage layer",
            _ => "the call",
        };
        let because = largest.map_or_else(
            || "and its text alone is too long".to_owned(),
            |piece| format!("and `{}` with about {} never shrinks", piece.see.name, piece.size()),
        );
        Err(overflow(format!("{what} has about {tokens} tokens, {limit} fit, {because}")))
    }

    /// The data by name, for providers that read values.
    pub(super) fn data(&self) -> Value {
        let mut data = Map::new();
        for piece in &self.pieces {
            let value = if piece.left_out { Value::Null } else { piece.shown.value.clone() };
            data.insert(piece.see.name.clone(), value);
        }
        Value::Map(Arc::new(data))
    }

    pub(super) fn aside(self) -> Vec<Blob> {
        self.pieces.into_iter().filter_map(|piece| piece.aside).collect()
    }

    fn draw(&self) -> Result<Drawn, Stop> {
        let mut drawn = Drawn { system: String::new(), user: String::new(), segments: Vec::new(), edges: Vec::new() };
        let mut placed = vec![0; self.pieces.len()];
        if self.fences {
            drawn.system.push_str(fence::MEANING);
            drawn.segments.push(segment(FENCES, Layer::Shared, fence::MEANING, fence::MEANING.len()));
        }
        // Nothing that comes from the run stands above an edge.
        let mut stable = true;
        for (layer, of) in [(Layer::Shared, self.shared), (Layer::Stage, self.stage)] {
            stable &= of.is_none_or(|of| of.prompt.text.is_plain());
            if !stable && layer == Layer::Shared && !drawn.system.is_empty() {
                drawn.edges.push((layer, drawn.system.len()));
            }
            if let Some(of) = of {
                let text = self.text(&of.prompt, layer, &mut placed, &mut drawn.segments)?;
                append(&mut drawn.system, &text);
            }
            let above = drawn.edges.last().map_or(0, |(_, at)| *at);
            if stable && drawn.system.len() > above {
                drawn.edges.push((layer, drawn.system.len()));
            }
        }
        let mut order: Vec<usize> = (0..self.pieces.len()).collect();
        order.sort_by_key(|index| {
            let piece = &self.pieces[*index];
            (piece.layer != Layer::Shared, piece.layer != Layer::Stage, piece.see.depth)
        });
        for index in order {
            let piece = &self.pieces[index];
            if self.prompt_of(piece.layer).is_some_and(|prompt| prompt.places(&piece.see.name)) || piece.left_out {
                continue;
            }
            let block = piece.block();
            placed[index] = block.len();
            append(if piece.is_with_the_task() { &mut drawn.user } else { &mut drawn.system }, &block);
        }
        let mut own = Vec::new();
        let text = self.text(self.ask.prompt, Layer::Task, &mut placed, &mut own)?;
        append(&mut drawn.user, &text);
        drawn.user.push_str(&self.repairs);
        drawn.segments.extend(self.pieces.iter().zip(placed).map(|(piece, bytes)| piece.segment(bytes)));
        drawn.segments.append(&mut own);
        if !self.repairs.is_empty() {
            drawn.segments.push(segment(REPAIR, Layer::Task, &self.repairs, self.repairs.len()));
        }
        Ok(drawn)
    }

    fn prompt_of(&self, layer: Layer) -> Option<&'a Prompt> {
        match layer {
            Layer::Shared => self.shared.map(|layer| &layer.prompt),
            Layer::Stage => self.stage.map(|layer| &layer.prompt),
            Layer::Task => Some(self.ask.prompt),
        }
    }

    /// A prompt with its holes filled from the items of its own layer.
    fn text(
        &self,
        prompt: &Prompt,
        layer: Layer,
        placed: &mut [usize],
        segments: &mut Vec<Segment>,
    ) -> Result<String, Stop> {
        let of = |name: &str| self.pieces.iter().position(|one| one.layer == layer && *one.see.name == *name);
        let roots = prompt.text.roots().iter();
        let values: Vec<Value> = roots
            .map(|root| of(&root.name).map(|at| self.pieces[at].shown.value.clone()).unwrap_or_default())
            .collect();
        let mut filled = 0;
        let rendered = prompt.text.render_each(&values, |hole, value| {
            let reads: Vec<usize> = prompt.reads[hole].iter().filter_map(|(name, _)| of(name)).collect();
            let untrusted = reads.iter().find(|at| self.pieces[**at].is_untrusted());
            let text = match (untrusted, value) {
                // A number or a yes holds no words.
                (Some(at), Value::Text(_) | Value::List(_) | Value::Map(_)) => {
                    fence::fenced(&self.pieces[*at].see.name, &said(value))
                }
                _ => said(value).into_owned(),
            };
            if let Some(first) = reads.first() {
                placed[*first] += text.len();
                filled += text.len();
            }
            text
        });
        let mut text = rendered
            .map_err(|why| Stop::Failed(Failure::inside(FailureKind::Internal, format!("{}: {why}", prompt.file))))?;
        text.truncate(text.trim_end().len());
        segments.push(segment(&prompt.file, layer, prompt.text.source(), text.len().saturating_sub(filled)));
        Ok(text)
    }
}

impl Piece<'_> {
    fn is_untrusted(&self) -> bool {
        self.labels.contains(UNTRUSTED)
    }

    /// Untrusted text never stands in the system text, whichever layer shows it.
    fn is_with_the_task(&self) -> bool {
        self.layer == Layer::Task || self.is_untrusted()
    }

    fn size(&self) -> u64 {
        if self.left_out { 0 } else { tokens_of(&self.shown.text) }
    }

    /// Makes it have at most so many tokens, if it may; `false` if it became no smaller.
    fn shrink(&mut self, limit: u64, why: &'static str, walk: &Walk<'_>, frame: &Frame<'_>) -> Result<bool, Stop> {
        let before = self.size();
        if self.see.required || before == 0 {
            return Ok(false);
        }
        if matches!(self.see.overflow, Overflow::Fail) {
            (self.left_out, self.reduced) = (true, Some(why));
            return Ok(true);
        }
        if matches!(self.see.overflow, Overflow::Offload) {
            let blob = Blob::new(said(&self.given).as_bytes());
            let reference = Value::text(fit::reference(&blob, tokens_of(&said(&self.given))));
            if self.aside.is_some() || tokens_of(&said(&reference)) >= before {
                return Ok(false);
            }
            (self.shown, self.aside, self.reduced) = (Shown::new(reference), Some(blob), Some(why));
            return Ok(true);
        }
        let fitted = fit::fit(&self.see.overflow, &self.given, limit, &mut |by, item| {
            walk.compute(by, &frame.with_own("item", item))
        })?;
        let Some(fitted) = fitted else { return Ok(false) };
        self.shown = Shown::new(fitted);
        self.reduced = Some(why);
        Ok(self.size() < before)
    }

    fn block(&self) -> String {
        let (name, text) = (&self.see.name, &self.shown.text);
        match self.is_untrusted() {
            true => fence::fenced(name, text),
            false => format!("<{name}>\n{text}\n</{name}>"),
        }
    }

    fn segment(&self, bytes: usize) -> Segment {
        let mut segment = segment(&self.see.name, self.layer, &self.shown.text, bytes);
        if self.left_out {
            segment.digest = Digest::of(&[]);
        }
        segment.source = Some(self.see.from.source().into());
        segment.labels = self.labels.iter().cloned().collect();
        segment.aside = self.aside.as_ref().map(Blob::reference);
        segment.fields = keys(&self.shown.value);
        segment.reduced = self.reduced.map(|why| {
            let mut note = String::from(match (&self.see.overflow, self.left_out) {
                (_, true) | (Overflow::Fail, _) => "left out",
                (Overflow::Truncate(_), _) => "truncate",
                (Overflow::DropLast, _) => "drop_last",
                (Overflow::DropFirst, _) => "drop_first",
                (Overflow::Top { .. }, _) => "top",
                (Overflow::Offload, _) => "offload",
            });
            let _ = write!(note, " from {} to {} tokens{why}", tokens_of(&said(&self.given)), self.size());
            note.into()
        });
        segment
    }
}

/// The keys of a map, or of the maps in a list.
fn keys(value: &Value) -> Vec<Arc<str>> {
    let mut keys: BTreeSet<Arc<str>> = BTreeSet::new();
    match value {
        Value::Map(map) => keys.extend(map.keys().cloned()),
        Value::List(items) => items.iter().for_each(|item| {
            if let Value::Map(map) = item {
                keys.extend(map.keys().cloned());
            }
        }),
        _ => {}
    }
    keys.into_iter().take(MAX_FIELDS).collect()
}

/// What is offered, and what followed the ask: what a model is shown besides its two texts.
pub(super) fn talk(offers: &[Offer], turns: &[Turn]) -> Vec<Segment> {
    let piece = |id: &str, text: String| segment(id, Layer::Task, &text, text.len());
    let offered =
        (!offers.is_empty()).then(|| piece("offers", Value::list(offers.iter().map(Offer::to_value)).to_json()));
    offered.into_iter().chain(turns.iter().map(|turn| piece("turn", turn.to_value().to_json()))).collect()
}

fn segment(id: &str, layer: Layer, text: &str, bytes: usize) -> Segment {
    Segment {
        id: id.into(),
        layer,
        source: None,
        digest: Digest::of(&[text.as_bytes()]),
        bytes: bytes as u64,
        tokens_est: (bytes as u64).div_ceil(3),
        reduced: None,
        fields: Vec::new(),
        labels: Vec::new(),
        aside: None,
    }
}

fn append(text: &mut String, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(more);
}

fn overflow(detail: String) -> Stop {
    Stop::Failed(Failure::inside(FailureKind::ContextOverflow, detail))
}
