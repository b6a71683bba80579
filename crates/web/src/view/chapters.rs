//! A run as people tell it: a line a step in words of the business, waits drawn as waits; what was tried again and what is small is folded.

use std::collections::BTreeMap;

use askama::Template;
use kernel::{
    governance::{Proposal, Verdict},
    ids::StepPath,
    journal::{Control, End, Entry, Event, Fork, Held, StepResult},
    story,
    values::{Timestamp, Value},
    workflow::Program,
};

use super::words;

/// A step, an item of a body, or something that happened to the run itself.
#[derive(Clone, Debug, Template)]
#[template(path = "parts/chapter.html")]
pub(crate) struct Chapter {
    /// What its last entry holds, and when it was written.
    href: String,
    at: String,
    /// Since the first entry.
    after: String,
    step: String,
    said: String,
    /// A colour by meaning, as for [`super::story::Line`].
    class: &'static str,
    /// What it waited for, and how long.
    waited: Option<String>,
    /// What went wrong on the way, and what was done about it.
    tries: Vec<(String, String)>,
    /// What stands inside.
    inner: Vec<Chapter>,
    /// Of what is inside, in words.
    folded: String,
    open: bool,
    /// Only worth a fold: nothing was asked, done or decided.
    small: bool,
}

/// Everything about one path.
struct Node<'e> {
    path: StepPath,
    told: Vec<&'e Told>,
    inner: Vec<usize>,
}

struct Told {
    seq: u64,
    at: Timestamp,
    event: Event,
}

/// What is told of which run.
struct Teller<'t> {
    program: Option<&'t Program>,
    began: Timestamp,
    now: Timestamp,
    href: &'t dyn Fn(u64) -> String,
}

/// Tells the entries of a run up to `now`, but for those that it inherited; `href` says where one of them is shown.
pub(crate) fn chapters(
    entries: &[Entry],
    fork: Option<&Fork>,
    (program, now): (Option<&Program>, Timestamp),
    href: &dyn Fn(u64) -> String,
) -> Vec<Chapter> {
    let own = |entry: &&Entry| fork.is_none_or(|fork| fork.owner(entry.seq).is_none());
    let read = |entry: &Entry| Some(Told { seq: entry.seq, at: entry.at, event: entry.event().ok()? });
    let told: Vec<Told> = entries.iter().filter(own).filter_map(read).collect();
    let teller = Teller { program, began: entries.first().map_or(now, |entry| entry.at), now, href };
    let mut nodes: Vec<Node<'_>> = Vec::new();
    let mut places: BTreeMap<StepPath, usize> = BTreeMap::new();
    let mut top: Vec<usize> = Vec::new();
    for one in &told {
        let Some(path) = one.event.step() else {
            if !matches!(one.event, Event::StageDone { .. } | Event::CacheMissed { .. }) {
                top.push(nodes.len());
                nodes.push(Node { path: StepPath::default(), told: vec![one], inner: Vec::new() });
            }
            continue;
        };
        let place = find(path, &mut nodes, &mut places, &mut top);
        nodes[place].told.push(one);
    }
    fold(top.iter().map(|place| teller.chapter(*place, &nodes)).collect())
}

/// The place of a path, made with all that it stands in.
fn find(
    path: &StepPath,
    nodes: &mut Vec<Node<'_>>,
    places: &mut BTreeMap<StepPath, usize>,
    top: &mut Vec<usize>,
) -> usize {
    if let Some(place) = places.get(path) {
        return *place;
    }
    let place = nodes.len();
    nodes.push(Node { path: path.clone(), told: Vec::new(), inner: Vec::new() });
    places.insert(path.clone(), place);
    match around(path) {
        Some(outer) => {
            let outer = find(&outer, nodes, places, top);
            nodes[outer].inner.push(place);
        }
        None => top.push(place),
    }
    place
}

/// What a path stands in: an item in its step, a step in its item.
fn around(path: &StepPath) -> Option<StepPath> {
    let text = path.as_str();
    let last = text.rfind('/').map_or(0, |at| at + 1);
    match text[last..].find(['[', '.']) {
        Some(frame) => Some(StepPath::new(&text[..last + frame])),
        None if last > 0 => Some(StepPath::new(&text[..last - 1])),
        None => None,
    }
}

impl Teller<'_> {
    fn chapter(&self, place: usize, nodes: &[Node<'_>]) -> Chapter {
        let node = &nodes[place];
        let inner: Vec<Chapter> = node.inner.iter().map(|place| self.chapter(*place, nodes)).collect();
        let name = node.path.as_str().rsplit('/').next().unwrap_or_default();
        let item = name.find(['[', '.']).map(|frame| &name[frame..]);
        let step = item.unwrap_or(name).to_owned();
        let last = node.told.last();
        let first = node.told.first().map(|told| told.at).or_else(|| first_inside(node, nodes));
        let first = first.unwrap_or(self.began);
        let (said, class) = self.said(node);
        let open = inner.iter().any(|one| one.open || matches!(one.class, "busy" | "wait" | "bad"));
        let small = inner.is_empty()
            && !node.told.is_empty()
            && node.told.iter().all(|told| matches!(told.event, Event::StepDone { .. } | Event::StepSkipped { .. }));
        Chapter {
            href: last.map(|told| (self.href)(told.seq)).unwrap_or_default(),
            at: last.map(|told| told.at.to_string()).unwrap_or_default(),
            after: words::span(first.micros() - self.began.micros()),
            step: words::plain(&step),
            said: words::plain(&said),
            class,
            waited: self.waited(node),
            tries: node.told.iter().filter_map(|told| self.tried(told)).collect(),
            folded: count(&inner),
            inner: fold(inner),
            open,
            small,
        }
    }

    /// What became of it, and the colour of that.
    fn said(&self, node: &Node<'_>) -> (String, &'static str) {
        let Some(last) = node.told.last() else { return (String::new(), "calm") };
        let act = node.told.iter().rev().find_map(|told| proposal(&told.event));
        let sentence = act.map(|act| self.sentence(act));
        let whole = |text: String| {
            let rest = text.strip_prefix(node.path.as_str()).map(|rest| rest.trim_start_matches([':', ' ']).to_owned());
            rest.unwrap_or(text)
        };
        let with = |what: &str, class| match &sentence {
            Some(sentence) if what.is_empty() => (sentence.clone(), class),
            Some(sentence) => (format!("{sentence}: {what}"), class),
            None => (what.to_owned(), class),
        };
        match &last.event {
            Event::RunStarted { workflow, .. } => (format!("{workflow} begins"), "calm"),
            Event::RunFinished { end, failure, .. } => match (end, failure) {
                (End::Completed, _) => ("It is done".to_owned(), "good"),
                (End::Cancelled, _) => ("It was cancelled".to_owned(), "calm"),
                (End::Failed, Some(why)) => (format!("It failed: {}", story::failure(why)), "bad"),
                (End::Failed, None) => ("It failed".to_owned(), "bad"),
            },
            Event::ControlReceived { control, sender, .. } => {
                let what = match control {
                    Control::Pause => "pauses it",
                    Control::Resume => "lets it go on",
                    Control::Cancel | Control::CancelUndo => "cancels it",
                    Control::Review => "wants it to be looked at",
                };
                (format!("{sender} {what}"), "calm")
            }
            Event::StepDone { output, .. }
            | Event::BodyDone { result: kernel::journal::BodyResult::Gave(output), .. }
            | Event::ModelAnswered { result: StepResult::Done(output), .. } => with(&brief(output), "good"),
            Event::ActionFinished { result: StepResult::Done(output), .. } => match &sentence {
                Some(sentence) => (sentence.clone(), "good"),
                None => (brief(output), "good"),
            },
            Event::ActionJudged { verdict: Verdict::Deny { rule, reason, .. }, .. } => {
                with(&format!("denied by {rule}, {reason}"), "bad")
            }
            Event::ApprovalRequested { terms, .. } => with(&format!("{} decide", story::whom(terms)), "wait"),
            Event::ActionStarted { .. } | Event::ActionResent { .. } => with("on its way", "busy"),
            Event::OutcomeUnknown { .. } => with("nobody knows whether it happened", "wait"),
            Event::WorkOpened { queue, .. } => (format!("{queue} have to do it"), "wait"),
            Event::StepSkipped { .. } => ("left out".to_owned(), "calm"),
            Event::StepFailed { failure, .. }
            | Event::ModelAnswered { result: StepResult::Failed(failure), .. }
            | Event::ActionFinished { result: StepResult::Failed(failure), .. } => {
                with(&story::failure(failure), "bad")
            }
            event => (whole(story::line(event)), super::story::class(event)),
        }
    }

    /// The sentence of the tool, or the call in words.
    fn sentence(&self, act: &Proposal) -> String {
        let Held::Value(with) = &act.with else { return format!("{}.{}", act.tool, act.operation) };
        let tool = self.program.and_then(|program| program.tools.get(&act.tool));
        let said = tool.and_then(|tool| tool.operations.get(&act.operation)).and_then(|one| one.sentence(with));
        said.unwrap_or_else(|| format!("{}.{} {}", act.tool, act.operation, words_of(with)))
    }

    /// How long it waited for what comes from outside; what still waits is told by what it does now.
    fn waited(&self, node: &Node<'_>) -> Option<String> {
        let mut begun: Option<(Timestamp, String)> = None;
        let mut waits = Vec::new();
        for told in &node.told {
            let next = match &told.event {
                Event::ApprovalRequested { terms, .. } | Event::ApprovalEscalated { terms, .. } => {
                    Some(story::whom(terms))
                }
                Event::WorkOpened { queue, .. } => Some(queue.to_string()),
                Event::WaitStarted { signals, events, until, .. } => Some(match story::awaited(signals, events) {
                    Some(what) => what,
                    None => until.map(|until| until.to_string()).unwrap_or_default(),
                }),
                Event::OutcomeUnknown { .. } => Some("somebody to say what became of it".to_owned()),
                Event::VoteReceived { .. } => continue,
                _ => None,
            };
            if let Some((since, what)) = begun.take() {
                waits.push(format!("waited {} for {what}", words::span(told.at.micros() - since.micros())));
            }
            begun = next.map(|what| (told.at, what));
        }
        if let Some((since, what)) = begun {
            waits.push(format!("waits for {what} since {}", words::span(self.now.micros() - since.micros())));
        }
        (!waits.is_empty()).then(|| words::plain(&waits.join("; ")))
    }

    /// What went wrong, or was begun again.
    fn tried(&self, told: &Told) -> Option<(String, String)> {
        let said = match &told.event {
            Event::ModelAnswered { result: StepResult::Failed(failure), .. }
            | Event::ActionFinished { result: StepResult::Failed(failure), .. }
            | Event::StepFailed { failure, .. } => story::failure(failure),
            Event::FailureAnswered { response, .. } => story::answer(response),
            Event::ActionResent { attempt, .. } => format!("sent once more, attempt {attempt}"),
            Event::ModelAsked { attempt, model, .. } if *attempt > 1 => format!("{model} asked, attempt {attempt}"),
            _ => return None,
        };
        Some(((self.href)(told.seq), words::plain(&said)))
    }
}

fn proposal(event: &Event) -> Option<&Proposal> {
    match event {
        Event::ActionStarted { proposal, .. } | Event::ActionJudged { proposal, .. } => Some(proposal),
        Event::ApprovalRequested { proposal, .. } => proposal.as_ref(),
        _ => None,
    }
}

fn first_inside(node: &Node<'_>, nodes: &[Node<'_>]) -> Option<Timestamp> {
    let inside = node.inner.iter().map(|place| &nodes[*place]);
    inside.filter_map(|node| node.told.first().map(|told| told.at).or_else(|| first_inside(node, nodes))).min()
}

fn brief(held: &Held) -> String {
    match held {
        Held::Value(value) => words_of(value),
        Held::Blob(_) => story::held(held),
    }
}

/// Parts of a value that a line shows.
const PARTS: usize = 4;
/// Characters of one of them.
const LONG: usize = 60;

/// A value in words: `found yes · amounts 2 things`.
fn words_of(value: &Value) -> String {
    match value {
        Value::Map(map) => {
            let mut parts: Vec<String> = Vec::new();
            for (key, value) in map.iter().filter(|(_, value)| !value.is_null()).take(PARTS) {
                parts.push(format!("{} {}", key.replace('_', " "), word(value)));
            }
            if map.len() > PARTS {
                parts.push(format!("{} more", map.len() - PARTS));
            }
            parts.join(" · ")
        }
        value => word(value),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Text(text) => {
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            match line.char_indices().nth(LONG) {
                Some((cut, _)) => format!("{}…", &line[..cut]),
                None => line,
            }
        }
        Value::List(list) if list.len() == 1 => "1 thing".to_owned(),
        Value::List(list) => format!("{} things", list.len()),
        Value::Map(map) => format!("{} fields", map.len()),
        value => value.to_json(),
    }
}

/// How those inside fared.
fn count(inner: &[Chapter]) -> String {
    let bad = inner.iter().filter(|one| one.class == "bad").count();
    let open = inner.iter().filter(|one| matches!(one.class, "busy" | "wait")).count();
    let mut said = if inner.len() == 1 { "1 part".to_owned() } else { format!("{} parts", inner.len()) };
    if bad > 0 {
        said.push_str(&format!(", {bad} failed"));
    }
    if open > 0 {
        said.push_str(&format!(", {open} not over"));
    }
    said
}

/// Puts neighbours that nobody asks about under one line.
fn fold(chapters: Vec<Chapter>) -> Vec<Chapter> {
    let mut told: Vec<Chapter> = Vec::new();
    let mut small: Vec<Chapter> = Vec::new();
    let put = |small: &mut Vec<Chapter>, told: &mut Vec<Chapter>| match small.len() {
        0 | 1 => told.append(small),
        many => {
            let names: Vec<&str> = small.iter().map(|one| &*one.step).collect();
            told.push(Chapter {
                href: small[0].href.clone(),
                at: small[0].at.clone(),
                after: small[0].after.clone(),
                step: String::new(),
                said: String::new(),
                class: "calm",
                waited: None,
                tries: Vec::new(),
                folded: format!("{many} small steps: {}", names.join(", ")),
                open: false,
                small: true,
                inner: std::mem::take(small),
            });
        }
    };
    for chapter in chapters {
        if chapter.small {
            small.push(chapter);
        } else {
            put(&mut small, &mut told);
            told.push(chapter);
        }
    }
    put(&mut small, &mut told);
    told
}
