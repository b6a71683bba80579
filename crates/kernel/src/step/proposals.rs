//! Durable proposals become governed acts: what a model was granted, and how each use of it that it asked for is done.
//!
//! A proposal stands in the journal before anything is done about it. Each becomes the step `call1`, `call2`, … of its turn: an act like
//! any other, with its verdict, approval, intent and outcome, whose arguments are those of the proposal. What came of it goes back
//! to the model; only what may have been performed, and a budget that is used up, keep it from going on.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Kind, Step,
    act::{self, Act},
    turn::Words,
};
use crate::{
    complaint::{Complaint, Place},
    context::{Offer, Proposed},
    governance::{
        Effect,
        labels::{ActLabels, Origin},
    },
    ids::StepPath,
    next::{Stop, Walk},
    recovery::{Failure, FailureKind},
    run::{CALL, in_doubt},
    schema::Schema,
    types::Type,
    workflow::{Recoveries, reading::Reading},
    yaml::Node,
};

/// An operation that a model may propose.
#[derive(Debug)]
pub struct Granted {
    /// What the model calls it.
    pub name: Arc<str>,
    /// What does it: an act without arguments of its own.
    pub step: Step,
}

impl Granted {
    /// The act.
    pub fn act(&self) -> &Act {
        self.step.call().expect("what is granted is an act: held by the reader")
    }

    /// What its arguments must fit.
    pub fn params(&self) -> &Arc<Schema> {
        self.act().declared().params.as_ref().expect("what is granted has a schema: held by the reader")
    }

    /// `tool.operation`.
    pub fn action(&self) -> String {
        self.act().called()
    }

    /// Whether it may change something outside.
    pub fn writes(&self) -> bool {
        self.act().declared().effect != Effect::Read
    }

    /// As a model is offered it.
    pub(crate) fn offer(&self) -> Offer {
        let declared = self.act().declared();
        // What an MCP server says of itself counts as a person accepted it.
        let accepted = || declared.mcp.as_ref().and_then(|call| call.description.as_deref()).map(str::to_owned);
        let says = declared.says.as_ref().map(|says| says.source().to_owned()).or_else(accepted);
        let says = says.unwrap_or_else(|| format!("Calls {}", self.action()));
        Offer { name: self.name.clone(), says: says.into(), params: self.params().clone() }
    }
}

/// Longest name of an offer that every provider takes.
const LONGEST: usize = 64;

/// The name of the step that carries out proposal number `place`, from 0.
pub(crate) fn call_name(place: usize) -> Arc<str> {
    format!("{CALL}{}", place + 1).into()
}

/// Under which name the labels of what a model may propose are known.
pub(crate) fn labels_name(by: &str, act: &Act) -> Arc<str> {
    format!("{by}/{}", act.called()).into()
}

/// What decides the labels of what a model proposes: what it is shown from the beginning, and what each operation tells it.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The layers and `see:`.
    pub shown: Origin,
    /// What its answers carry, by the offer's name.
    pub gives: BTreeMap<Arc<str>, Origin>,
}

impl Sources {
    /// Everything that it may ever be shown.
    pub fn all(&self) -> Origin {
        let mut all = self.shown.clone();
        self.gives.values().for_each(|origin| all.join(origin));
        all
    }
}

/// What an action carries that a model wrote which was shown `shown`: each argument all of it.
pub(crate) fn labels(by: &Arc<str>, act: &Act, shown: &Origin) -> ActLabels {
    let operation = act.declared();
    let named = match operation.params.as_ref().map(|params| params.ty()) {
        Some(Type::Object { fields, .. }) => fields.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let names = named.into_iter().chain(operation.control.iter().cloned()).map(|name| ActLabels::pointer(&name));
    let arguments = names.chain(["".into()]).map(|name| (name, shown.clone())).collect();
    ActLabels::of(labels_name(by, act), act.called().into(), operation, arguments)
}

impl Walk<'_> {
    /// The proposal that the step at `path` carries out, as the journal holds it.
    fn proposal_at(&self, path: &StepPath) -> Result<Option<(String, Proposed)>, Stop> {
        let Some((by, _, talk)) = self.state.talk_of(path) else { return Ok(None) };
        let said = talk.said();
        let place = path.name().strip_prefix(CALL).and_then(|number| number.parse::<usize>().ok());
        let (Some(said), Some(place)) = (said, place) else { return Ok(None) };
        let (said, Some(place)) = (self.unhold(said)?, place.checked_sub(1)) else { return Ok(None) };
        if let Some(Kind::Plan(plan)) = self.program.step(by.name()).map(|step| &step.kind) {
            return Ok(plan.proposal(&said, place));
        }
        let words = Words::of_value(&said);
        Ok(words.proposed.get(place).cloned().map(|proposed| (words.text.to_string(), proposed)))
    }

    /// The arguments of the proposal that the step at `path` carries out.
    pub(crate) fn proposed_at(&self, path: &StepPath) -> Result<crate::values::Value, Stop> {
        match self.proposal_at(path)? {
            Some((_, proposed)) => Ok(proposed.arguments),
            None => {
                let detail = format!("no proposal stands for `{path}`");
                Err(Stop::Failed(Failure::inside(FailureKind::Internal, detail)))
            }
        }
    }

    /// What the model said beside the proposal, for the people who are asked about it.
    pub(crate) fn words_beside(&self, path: &StepPath) -> Result<Option<String>, Stop> {
        let said = self.proposal_at(path)?.map(|(words, _)| words.trim().to_owned());
        Ok(said.filter(|text| !text.is_empty()))
    }

    /// What the arguments carry of the proposal that `act` carries out at `path`: all that its model was shown before it wrote them.
    pub(crate) fn proposal_labels(&self, act: &Act, path: &StepPath) -> Result<ActLabels, Stop> {
        let by = act.by.clone().unwrap_or_default();
        let Some(sources) = self.program.labels.proposing.get(&by) else {
            return Ok(labels(&by, act, &Origin::default()));
        };
        let Some((_, open, talk)) = self.state.talk_of(path) else { return Ok(labels(&by, act, &sources.all())) };
        // A later visit is told what was done in the one before.
        if open.visit > 1 {
            return Ok(labels(&by, act, &sources.all()));
        }
        let mut shown = sources.shown.clone();
        for exchange in &talk.past {
            let words = Words::of_value(&self.unhold(&exchange.said)?);
            words.proposed.iter().filter_map(|one| sources.gives.get(&one.name)).for_each(|gave| shown.join(gave));
        }
        Ok(labels(&by, act, &shown))
    }
}

/// Whether a failure of this step is told to the model that proposed it, which then goes on.
pub(crate) fn is_given_back(walk: &Walk<'_>, step: &Step, failure: &Failure) -> bool {
    let Kind::Act(act) = &step.kind else { return false };
    // Who wrote a plan is not there any more while it is carried out.
    let planned = act.by.as_ref().and_then(|by| walk.program.step(by));
    if planned.is_some_and(|step| matches!(step.kind, Kind::Plan(_))) {
        return false;
    }
    let stays = match failure.kind {
        FailureKind::BudgetExceeded | FailureKind::UnknownOutcome | FailureKind::Internal => true,
        _ => act.declared().effect != Effect::Read && in_doubt(failure),
    };
    act.by.is_some() && !stays
}

/// Reads the operations that `by` is granted, under `tools`.
pub(crate) fn read(node: &Node, by: &Arc<str>, reading: &mut Reading<'_>) -> Option<Vec<Granted>> {
    let items = node.list(&mut reading.complaints)?;
    if items.is_empty() {
        let hint = "a step that only answers is `reason`";
        reading.complaints.push(node.complaint("W166", "no operation is granted").hint(hint));
        return None;
    }
    let mut all: Vec<Granted> = Vec::new();
    let mut good = true;
    for item in items {
        match one(item, by, reading) {
            Some(granted) if all.iter().any(|known| known.name == granted.name) => {
                let message = format!("`{}` is granted twice", granted.action());
                reading.complaints.push(item.complaint("W166", message));
                good = false;
            }
            Some(granted) => all.push(granted),
            None => good = false,
        }
    }
    good.then_some(all)
}

fn one(node: &Node, by: &Arc<str>, reading: &mut Reading<'_>) -> Option<Granted> {
    let text = node.text(&mut reading.complaints)?;
    if let Some(tool) = reading.tools.get(&text) {
        let names: Vec<String> = tool.operations.keys().map(|name| format!("{text}.{name}")).collect();
        let message = format!("`{text}` is a whole tool, and each operation is granted by its own name");
        reading.complaints.push(node.complaint("W165", message).hint(format!("as in {}", names.join(", "))));
        return None;
    }
    let (tool, operation) = act::operation(&text, node, reading)?;
    let declared = tool.operations.get(&operation)?;
    let described = declared.params.as_ref().is_some_and(|params| params.json().get("type") == Some(&"object".into()));
    if !described {
        let message = format!("{} says nothing of the arguments of `{text}`: no model can know them", tool.file);
        let hint = "give it `params: schemas/….yaml`, with `type: object`; if it has none, with `additionalProperties: false` besides";
        reading.complaints.push(node.complaint("W167", message).hint(hint));
        return None;
    }
    let name: Arc<str> = format!("{}__{operation}", tool.name).into();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.len() > LONGEST || !name.chars().all(plain) {
        let message = format!("a model would call it `{name}`, and not every provider takes that name");
        let hint = format!("letters, digits, `_` and `-`, at most {LONGEST} of them with the two underscores between");
        reading.complaints.push(node.complaint("W168", message).hint(hint));
        return None;
    }
    let ty = declared.returns.as_ref().map_or(Type::Any, |schema| schema.ty().clone());
    let act = Act { tool, operation, with: None, undo: None, keep: false, by: Some(by.clone()) };
    Some(Granted { name, step: inner(CALL, node.span, Kind::Act(act), ty) })
}

/// A step that no file has written.
pub(crate) fn inner(name: &str, at: Place, kind: Kind, ty: Type) -> Step {
    Step {
        name: name.into(),
        at,
        when: None,
        kind,
        on_failure: Recoveries::new(),
        checkpoint: false,
        deadline: None,
        cache: None,
        ty,
    }
}

/// What `check` says of a model that cannot be offered anything.
pub(crate) fn cannot_propose(node: &Node, model: &str) -> Complaint {
    let message = format!("the model `{model}` answers from rules, and cannot propose actions");
    node.complaint("W171", message).hint("let a `reason` step ask it, and an `act` step do what follows")
}
