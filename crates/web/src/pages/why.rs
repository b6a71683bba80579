//! `GET /runs/{run}/why`: where does a value come from? From the step that gave it back to what came in from outside.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query};
use kernel::{
    ids::{RunId, StepPath},
    journal::{Entry, Event, Held, StepResult},
    why::{Origins, expressions},
};
use runtime::record::Record;
use serde::Deserialize;

use super::{Failed, Layout, Shown, Viewer, run::named, show, shown::from};
use crate::{problem::Problem, view::words};

/// Steps on the way back at most.
const MOST: usize = 60;

#[derive(Template)]
#[template(path = "why.html")]
struct WhyPage {
    layout: Layout,
    run: String,
    /// Nearest first; none: no step was named.
    links: Vec<Link>,
    /// Steps to ask about.
    steps: Vec<(String, String)>,
}

/// A step on the way.
struct Link {
    anchor: String,
    step: String,
    /// What kind of step it is, and where it is written.
    kind: String,
    /// What it is written as.
    written: Vec<(&'static str, String)>,
    reads: Vec<Read>,
    /// Entries that say how its value came to be.
    made: Vec<Made>,
    inside: Vec<(String, String)>,
}

/// A value that it read.
struct Read {
    origin: super::shown::From,
    /// Where this page tells of the step that gave it.
    anchor: Option<String>,
}

/// An entry.
struct Made {
    href: String,
    said: String,
    /// What stands behind it: what a model was shown, the run that did the work.
    behind: Option<(String, &'static str)>,
}

/// Which step.
#[derive(Deserialize)]
pub(super) struct Which {
    step: Option<String>,
}

/// Where a step's value is explained.
pub(super) fn href(viewer: &Viewer, run: RunId, step: &str) -> String {
    let query = serde_urlencoded::to_string([("step", step)]).unwrap_or_default();
    viewer.path(format_args!("/runs/{run}/why?{query}"))
}

pub(super) async fn page(viewer: Viewer, Path(run): Path<String>, Query(which): Query<Which>) -> Shown {
    let id = named(&run)?;
    let Record { entries, state, program, .. } = viewer.app.site.runtime().record(id).await?;
    let origins = Origins::of(&entries, &state, program.as_deref());
    let mut told: BTreeMap<StepPath, Vec<(&Entry, Event)>> = BTreeMap::new();
    for entry in &entries {
        let Ok(event) = entry.event() else { continue };
        if let Some(step) = event.step() {
            told.entry(step.clone()).or_default().push((entry, event));
        }
    }
    let mut links = Vec::new();
    if let Some(step) = which.step.filter(|step| !step.is_empty()) {
        let step = StepPath::new(step);
        if !told.contains_key(&step) {
            let problem = Problem::not_found(format!("run {id} has not come to `{}`", words::plain(step.as_str())));
            let names: Vec<&str> = told.keys().map(StepPath::as_str).collect();
            let near = kernel::complaint::did_you_mean(step.as_str(), names.iter().copied());
            return Err(Failed::from(near.into_iter().fold(problem, Problem::hint)));
        }
        let back = origins.back(&step, MOST);
        let steps: Vec<StepPath> = back.iter().map(|link| link.step.clone()).collect();
        let place = |step: &StepPath| steps.iter().position(|one| one == step).map(|place| format!("s{place}"));
        for link in back {
            let step = program.as_deref().and_then(|program| program.step_at(&link.step));
            let at = step.and_then(|step| Some(format!(", {}:{}", program.as_ref()?.file, step.at.line)));
            let read = |origin: kernel::why::Origin| Read {
                anchor: origin.step.as_ref().and_then(place),
                origin: from(&viewer, &id.to_string(), origin),
            };
            links.push(Link {
                anchor: place(&link.step).unwrap_or_default(),
                kind: format!("{}{}", step.map_or("step", |step| step.kind()), at.unwrap_or_default()),
                written: step.map(expressions).unwrap_or_default(),
                reads: link.reads.into_iter().map(read).collect(),
                made: told.get(&link.step).map(|all| made(&viewer, id, all)).unwrap_or_default(),
                inside: link
                    .inside
                    .iter()
                    .take(MOST)
                    .map(|step| (href(&viewer, id, step.as_str()), words::plain(step.as_str())))
                    .collect(),
                step: words::plain(link.step.as_str()),
            });
        }
    }
    let steps = told.keys().map(|step| (href(&viewer, id, step.as_str()), words::plain(step.as_str())));
    let page = WhyPage {
        layout: viewer.layout("Why", "Where does this value come from?", "runs"),
        run: id.to_string(),
        steps: if links.is_empty() { steps.collect() } else { Vec::new() },
        links,
    };
    show(&page)
}

/// The entries of a step that say what it gave and how that came to be.
fn made(viewer: &Viewer, run: RunId, all: &[(&Entry, Event)]) -> Vec<Made> {
    let told = all.iter().map(|(entry, event)| {
        let line = kernel::story::line(event);
        let said = line.split_once(": ").map_or(&*line, |(_, said)| said);
        let gave = match event {
            Event::ModelAnswered { result: StepResult::Done(held), .. }
            | Event::ActionFinished { result: StepResult::Done(held), .. } => Some(held),
            _ => event.completes().and_then(|(_, gave)| gave),
        };
        let apart = matches!(gave, Some(Held::Blob(_)));
        Made {
            href: viewer.path(format_args!("/runs/{run}?entry={}#entry", entry.seq)),
            said: words::plain(&format!("{}: {said}{}", entry.seq, if apart { ", kept apart" } else { "" })),
            behind: match event {
                Event::ModelAsked { .. } => {
                    Some((viewer.path(format_args!("/runs/{run}/shown/{}", entry.seq)), "what it was shown"))
                }
                Event::ChildReported { child, .. } => Some((viewer.path(format_args!("/runs/{child}/why")), "why?")),
                _ => None,
            },
        }
    });
    told.collect()
}
