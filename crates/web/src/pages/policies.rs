//! `GET /policies` and `/policies/try`: what may be done, by which rule, and what would become of a request?

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{extract::Query, http::StatusCode};
use kernel::{
    governance::{
        Proposal,
        charter::Grounds,
        policy::{Folder, Policies},
    },
    ids::{RunId, StepPath},
    journal::{Effects, Event},
    tool::Operation,
    values::Value,
    workflow::project::Project,
};
use runtime::record::Record;
use serde::Deserialize;

use super::{Failed, Layout, Sent, Shown, Viewer, run::named, show};
use crate::{
    lately::{self, MOST},
    problem::Problem,
    view::{
        form::{self, Form},
        policies::{self, Verdict},
        words,
    },
};

#[derive(Template)]
#[template(path = "policies.html")]
struct PoliciesPage {
    layout: Layout,
    /// None: the project has no rules of its own.
    sets: Vec<Set>,
    version: String,
    /// Operations that no rule allows.
    never_allowed: Vec<String>,
    /// Rules that decided and stand in no file: those that are built in, and those of earlier versions.
    others: Vec<(Arc<str>, u64)>,
    /// Runs in which decisions were counted.
    seen: u32,
    /// How many cases there are, and those that do not hold; `None`: they cannot be read.
    cases: Option<(usize, Vec<(String, String)>)>,
    tools: bool,
}

/// Rules of one folder.
struct Set {
    folder: &'static str,
    means: &'static str,
    rules: Vec<Rule>,
}

struct Rule {
    id: Arc<str>,
    at: Arc<str>,
    reason: String,
    operations: Vec<Arc<str>>,
    /// How often it decided.
    decided: u64,
    /// What no case shows of it.
    missing: String,
    text: String,
}

pub(super) async fn list(viewer: Viewer) -> Shown {
    let site = &viewer.app.site;
    let served = site.served();
    let (seen, mut decided) = lately::rules(site, MOST).await?;
    let (mut sets, mut never_allowed, mut cases) = (Vec::new(), Vec::new(), None);
    if let Some(known) = served.project.policies.as_deref() {
        let shown = policies::shown(&served.sources, &served.project, known);
        for folder in Folder::ALL {
            let rules = known.rules().iter().enumerate().filter(|(_, rule)| rule.folder == folder);
            let rules = rules.map(|(place, rule)| Rule {
                id: rule.id.clone(),
                at: rule.at.clone(),
                reason: rule.reason.as_deref().map(words::plain).unwrap_or_default(),
                operations: rule.actions().cloned().collect(),
                decided: decided.remove(&rule.id).unwrap_or_default(),
                missing: shown
                    .as_ref()
                    .and_then(|shown| shown.missing.get(place))
                    .map_or_else(String::new, |missing| missing.join(", ")),
                text: words::plain(&rule.text),
            });
            let means = match folder {
                Folder::Never => "a match denies, whatever else allows it",
                Folder::Allow => "without a match here nothing is done",
                Folder::Ask => "a match puts it before people",
            };
            sets.push(Set { folder: folder.as_str(), means, rules: rules.collect() });
        }
        never_allowed = known.never_allowed().into_iter().map(words::plain).collect();
        cases = Some(shown.map(|shown| (shown.cases, shown.wrong)));
    }
    let page = PoliciesPage {
        layout: viewer.layout("Policies", "What may be done outside, by which rule, and how often was it?", "policies"),
        version: served.project.policies.as_ref().map(|known| known.digest().short()).unwrap_or_default(),
        sets,
        never_allowed,
        others: decided.into_iter().collect(),
        seen,
        cases: cases.flatten(),
        tools: !served.project.tools.is_empty(),
    };
    show(&page)
}

#[derive(Template)]
#[template(path = "try.html")]
struct TryPage {
    layout: Layout,
    /// Operations to choose from, and which one is.
    operations: Vec<(String, bool)>,
    request: Option<Request>,
    verdict: Option<Verdict>,
    /// Why it cannot be judged.
    refused: Vec<String>,
}

/// A request as a form.
struct Request {
    action: String,
    /// Steps that call it, to choose from.
    steps: Vec<String>,
    step: String,
    people: Vec<(Arc<str>, bool)>,
    labels: String,
    controls: Vec<(Arc<str>, bool)>,
    counters: Vec<(Arc<str>, String)>,
    form: Form,
    /// The decision that it was made from.
    from: Option<String>,
}

/// What the address asks for.
#[derive(Deserialize)]
pub(super) struct Look {
    action: Option<String>,
    /// A run, and an entry of it that says how an action was judged.
    run: Option<String>,
    entry: Option<u64>,
}

/// What is known of a request.
#[derive(Default)]
struct Facts {
    action: String,
    step: String,
    person: String,
    labels: String,
    controls: Vec<String>,
    counters: BTreeMap<String, String>,
    from: Option<String>,
}

/// An action that was judged: its step, what was asked for, and on what grounds.
pub(super) fn judged(event: &Event) -> Option<(&StepPath, &Proposal, Option<&Grounds>)> {
    match event {
        Event::ActionStarted { step, proposal, grounds, .. } | Event::ActionJudged { step, proposal, grounds, .. } => {
            Some((step, proposal, grounds.as_deref()))
        }
        Event::ApprovalRequested { step, proposal: Some(proposal), grounds, .. } => {
            Some((step, proposal, grounds.as_deref()))
        }
        _ => None,
    }
}

fn rules(project: &Project) -> Result<&Policies, Failed> {
    project.policies.as_deref().ok_or_else(|| {
        let problem = Problem::not_found("the project has no rules of its own to try a request on");
        problem.hint("rules stand in policies/never/, policies/allow/ and policies/ask/").into()
    })
}

/// `GET /policies/try`: a request to be filled in, as it is, or as it really was.
pub(super) async fn ask(viewer: Viewer, Query(look): Query<Look>) -> Shown {
    let served = viewer.app.site.served();
    let known = rules(&served.project)?;
    let (mut facts, mut input) = (Facts::default(), None);
    if let (Some(run), Some(seq)) = (&look.run, look.entry) {
        let record = viewer.app.site.runtime().record(named(run)?).await?;
        (facts, input) = recorded(&viewer, &record, seq).await?;
    } else if let Some(action) = look.action.filter(|action| !action.is_empty()) {
        facts.action = action;
    }
    let request = match facts.action.is_empty() {
        true => None,
        false => {
            let request = request(&served.project, facts)?;
            let form = match input {
                Some(input) => request.form.showing(&input),
                None => request.form,
            };
            Some(Request { form, ..request })
        }
    };
    show(&page(&viewer, known, request))
}

/// What would become now of an action that was judged in this entry, with other arguments. `None`: the project has no rules of its own.
///
/// # Errors
/// There is no such entry. Inside: what is wrong with the arguments, in sentences.
pub(super) async fn judged_with(
    viewer: &Viewer,
    (run, seq): (RunId, u64),
    input: Value,
) -> Result<Option<Result<Verdict, Vec<String>>>, Failed> {
    let served = viewer.app.site.served();
    let Some(known) = served.project.policies.as_deref() else { return Ok(None) };
    let record = viewer.app.site.runtime().record(run).await?;
    let (facts, _) = recorded(viewer, &record, seq).await?;
    let (state, row) = (&record.state, &record.row);
    Ok(Some(written(&facts).and_then(|mut request| {
        let of_run = Value::map([
            ("id", Value::from(run.to_string())),
            ("steps", Value::Int(i64::try_from(state.steps).unwrap_or(i64::MAX))),
            ("cost_microusd", Value::Int(row.cost.unwrap_or_default())),
        ]);
        request.extend([
            ("input", input),
            ("tenant", Value::Text(row.tenant.clone())),
            ("version", Value::from(row.bundle.to_string())),
            ("now", Value::from(viewer.app.site.now().to_string())),
            ("run", of_run),
        ]);
        let verdict = policies::judge(&served.project, known, &Value::map(request))?;
        Ok(if state.effects() == Some(Effects::Ask) { verdict.of_fork() } else { verdict })
    })))
}

/// The request of a decision that a journal holds.
async fn recorded(viewer: &Viewer, record: &Record, seq: u64) -> Result<(Facts, Option<Value>), Failed> {
    let (runtime, run) = (viewer.app.site.runtime(), record.row.run);
    let nothing = || Problem::not_found(format!("entry {seq} of {run} says nothing of an action that was judged"));
    let entry = record.entries.iter().find(|entry| entry.seq == seq).ok_or_else(nothing)?;
    let event = entry.event().map_err(|_| nothing())?;
    let (step, proposal, grounds) = judged(&event).ok_or_else(nothing)?;
    let input = runtime.held(run, &proposal.with).await?;
    let known = |name: &str| record.program.as_ref().is_some_and(|program| program.step(name).is_some());
    let names: Vec<&str> = step.segments().map(|segment| segment.name).collect();
    let step = names.iter().rev().find(|name| known(name)).or(names.last()).copied().unwrap_or_default();
    let mut facts = Facts {
        action: format!("{}.{}", proposal.tool, proposal.operation),
        step: format!("{}/{step}", record.row.workflow),
        from: Some(viewer.path(format_args!("/runs/{run}?entry={seq}#entry"))),
        ..Facts::default()
    };
    facts.person =
        record.state.start.as_ref().and_then(|start| start.acts_for.as_deref()).unwrap_or_default().to_owned();
    if let Some(grounds) = grounds {
        facts.labels = grounds.labels.join(", ");
        facts.controls = grounds.controls.iter().map(ToString::to_string).collect();
        if let Value::Map(counters) = &grounds.history {
            facts.counters = counters.iter().map(|(name, count)| (name.to_string(), count.to_json())).collect();
        }
    }
    Ok((facts, input))
}

pub(super) fn operation<'p>(project: &'p Project, action: &str) -> Result<&'p Operation, Failed> {
    let found = action.split_once('.').and_then(|(tool, name)| project.tools.get(tool)?.operations.get(name));
    found.ok_or_else(|| Problem::not_found(format!("no tool has the operation `{}`", words::plain(action))).into())
}

/// The schema of an operation's arguments.
pub(super) fn params(operation: &Operation) -> Value {
    operation.params.as_ref().map_or(Value::Bool(true), |params| {
        let text = params.json().to_string();
        Value::from_json(text.as_bytes()).unwrap_or(Value::Bool(true))
    })
}

/// The form of a request.
fn request(project: &Project, facts: Facts) -> Result<Request, Failed> {
    let found = operation(project, &facts.action)?;
    let schema = params(found);
    let mut steps = Vec::new();
    for (name, program) in &project.workflows {
        program.each_step(&mut |step| {
            let acts = step.call().is_some_and(|act| format!("{}.{}", act.tool.name, act.operation) == facts.action);
            if acts {
                steps.push(format!("{name}/{}", step.name));
            }
        });
    }
    let step = if facts.step.is_empty() { steps.first().cloned().unwrap_or_default() } else { facts.step };
    let people = project.people.ids().map(|id| (id.clone(), **id == *facts.person));
    let counters = found.counts.keys();
    let counters = counters.map(|name| (name.clone(), facts.counters.get(&**name).cloned().unwrap_or_default()));
    let controls = found.control.iter();
    let controls = controls.map(|name| (name.clone(), facts.controls.iter().any(|one| *one == **name)));
    Ok(Request {
        steps,
        step: words::plain(&step),
        people: people.collect(),
        labels: words::plain(&facts.labels),
        controls: controls.collect(),
        counters: counters.collect(),
        form: Form::of(&schema).beside_others(),
        from: facts.from,
        action: facts.action,
    })
}

fn page(viewer: &Viewer, known: &Policies, request: Option<Request>) -> TryPage {
    let chosen = request.as_ref().map(|request| request.action.clone());
    let operations = known.operations().map(|name| (name.to_string(), chosen.as_deref() == Some(&**name)));
    TryPage {
        layout: viewer.layout(
            "Try a request",
            "What would become of it, by which rule, and what would change that?",
            "policies",
        ),
        operations: operations.collect(),
        request,
        verdict: None,
        refused: Vec::new(),
    }
}

/// `POST /policies/try`: the request is judged by the rules as they are now. Nothing is done, and nothing is kept.
pub(super) async fn tried(sent: Sent<form::Sent>) -> Shown {
    let Sent { viewer, form: sent } = sent;
    let served = viewer.app.site.served();
    let known = rules(&served.project)?;
    let text = |name: &str| sent.get(name).map(|text| text.trim().to_owned()).unwrap_or_default();
    let after = |prefix: &str| -> BTreeMap<String, String> {
        let all = sent.iter().filter_map(|(name, text)| Some((name.strip_prefix(prefix)?, text.trim())));
        all.filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
    };
    let facts = Facts {
        action: text("action"),
        step: text("step"),
        person: text("person"),
        labels: text("labels"),
        controls: after("control.").into_keys().collect(),
        counters: after("counter."),
        from: None,
    };
    let written = written(&facts);
    let request = request(&served.project, facts)?;
    let judged = written.and_then(|mut all| {
        let input = request.form.read(&sent).map_err(|why| vec![why])?;
        let input = if input == Value::Null { Value::map::<&str>([]) } else { input };
        all.push(("input", input));
        policies::judge(&served.project, known, &Value::map(all))
    });
    let form = request.form.clone().filled(&sent);
    let mut page = page(&viewer, known, Some(Request { form, ..request }));
    match judged {
        Ok(verdict) => page.verdict = Some(verdict),
        Err(refused) => page.refused = refused.iter().map(|why| words::plain(why)).collect(),
    }
    let refused = !page.refused.is_empty();
    let mut response = show(&page)?;
    if refused {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    Ok(response)
}

/// The request as a case has it, but for its input.
fn written(facts: &Facts) -> Result<Vec<(&'static str, Value)>, Vec<String>> {
    let mut all = vec![("action", Value::text(&*facts.action)), ("step", Value::text(&*facts.step))];
    if !facts.person.is_empty() {
        all.push(("person", Value::text(&*facts.person)));
    }
    let labels = facts.labels.split(',').map(str::trim).filter(|label| !label.is_empty());
    all.push(("labels", Value::list(labels.map(Value::text))));
    all.push(("control_untrusted", Value::list(facts.controls.iter().map(|name| Value::text(&**name)))));
    let counter = |(name, text): (&String, &String)| match text.parse::<i64>() {
        Ok(count) => Ok((Arc::<str>::from(name.as_str()), Value::Int(count))),
        Err(_) => Err(vec![format!("counter {name}: `{text}` is no whole number")]),
    };
    let counters: Vec<_> = facts.counters.iter().map(counter).collect::<Result<_, _>>()?;
    all.push(("history", Value::map(counters)));
    Ok(all)
}
