//! Steps: one file a kind. Each file says which fields the kind has, which events open and close it, and what follows.
//!
//! No kind knows another: what they share is here.

pub mod act;
pub mod agent;
pub mod approve;
pub mod decide;
pub mod each;
pub mod emit;
pub mod handoff;
pub mod native;
pub mod parallel;
pub(crate) mod people;
pub mod plan;
pub mod proposals;
pub mod reason;
pub mod repeat;
pub mod set;
pub mod specialist;
pub mod turn;
pub mod verify;
pub mod wait;

use std::sync::Arc;

use crate::{
    cache::{self, Inside, Memo},
    complaint::{Complaint, Place, did_you_mean},
    expr::{Condition, Template},
    ids::StepPath,
    next::{Frame, Inner, Stop, Walk},
    run::{Doing, Open},
    types::Type,
    values::{Span, Value},
    workflow::{
        Recoveries,
        reading::{ListOf, Reading},
    },
    yaml::{self, Fields, Node},
};

/// One thing done.
#[derive(Debug)]
pub struct Step {
    /// Unique in its workflow.
    pub name: Arc<str>,
    /// Where the name stands.
    pub at: Place,
    /// If it is false, the step is skipped and its value is `none`.
    pub when: Option<Condition>,
    /// What it does.
    pub kind: Kind,
    /// Recovery for its own failures.
    pub on_failure: Recoveries,
    /// A recovery may return to the moment in which it was over.
    pub checkpoint: bool,
    /// So long it has from its first beginning, with all its waits and repetitions.
    pub deadline: Option<Span>,
    /// What it gives is kept, and used again by whoever has the same key.
    pub cache: Option<Memo>,
    /// Of what type its value is, if it is not skipped.
    pub ty: Type,
}

/// What a step does.
#[derive(Debug)]
pub enum Kind {
    /// One model call: declared data in, schema-checked value out.
    Reason(reason::Reason),
    /// One governed action on a tool.
    Act(act::Act),
    /// A model proposes actions, turn by turn.
    Agent(Box<agent::Agent>),
    /// A model writes a list of actions, which is looked at before the first is done.
    Plan(Box<plan::Plan>),
    /// A deterministic branch.
    Decide(decide::Decide),
    /// Pure values.
    Set(set::Set),
    /// The same steps for each item of a list.
    Each(each::Each),
    /// Several branches at once.
    Parallel(parallel::Parallel),
    /// The same steps until a condition holds.
    Repeat(repeat::Repeat),
    /// Waits for time or a signal.
    Wait(wait::Wait),
    /// An event for other runs.
    Emit(emit::Emit),
    /// A registered pure Rust function.
    Native(native::Native),
    /// A question to people.
    Approve(approve::Approve),
    /// Work for people.
    Handoff(handoff::Handoff),
    /// Work for another workflow.
    Specialist(specialist::Specialist),
    /// A claim is proven, or the step fails.
    Verify(verify::Verify),
}

impl Step {
    /// The key that names this kind in a workflow file.
    pub fn kind(&self) -> &'static str {
        match &self.kind {
            Kind::Reason(_) => "reason",
            Kind::Act(_) => "act",
            Kind::Agent(_) => "agent",
            Kind::Plan(_) => "plan",
            Kind::Decide(_) => "decide",
            Kind::Set(_) => "set",
            Kind::Each(_) => "each",
            Kind::Parallel(_) => "parallel",
            Kind::Repeat(_) => "repeat",
            Kind::Wait(_) => "wait",
            Kind::Native(_) => "native",
            Kind::Emit(_) => "emit",
            Kind::Approve(_) => "approve",
            Kind::Handoff(_) | Kind::Specialist(_) => "handoff",
            Kind::Verify(_) => "verify",
        }
    }

    /// The action on a tool that it may propose.
    pub fn call(&self) -> Option<&act::Act> {
        match &self.kind {
            Kind::Act(act) => Some(act),
            Kind::Verify(verify) => verify.read.as_ref(),
            _ => None,
        }
    }

    /// All actions on tools that it may propose.
    pub fn calls(&self) -> Vec<&act::Act> {
        match &self.kind {
            Kind::Agent(agent) => agent.granted.iter().map(proposals::Granted::act).collect(),
            Kind::Plan(plan) => plan.granted.iter().map(proposals::Granted::act).collect(),
            _ => self.call().into_iter().collect(),
        }
    }

    /// The step in whose turns this one is done.
    pub(crate) fn within(&self) -> Option<&Arc<str>> {
        match &self.kind {
            Kind::Act(act) => act.by.as_ref(),
            Kind::Reason(reason) => reason.turn.as_ref().map(|turn| &turn.by).or(reason.plans.as_ref()),
            Kind::Approve(approve) => approve.plan.as_ref(),
            _ => None,
        }
    }

    /// Whether it has steps inside: a failure of theirs had its chance with the lists of stage and workflow already.
    pub fn is_block(&self) -> bool {
        !self.bodies().is_empty()
    }

    /// The lists of steps inside, with the branch's name for a `parallel`.
    pub fn bodies(&self) -> Vec<(Option<&Arc<str>>, &[Step])> {
        match &self.kind {
            Kind::Each(each) => vec![(None, each.steps.as_slice())],
            Kind::Repeat(repeat) => vec![(None, repeat.steps.as_slice())],
            Kind::Parallel(parallel) => {
                parallel.branches.iter().map(|branch| (Some(&branch.name), branch.steps.as_slice())).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The step is not in progress, or is to begin anew after a recovery (`open` then says what happened so far).
    pub(crate) fn begin<'a>(
        &'a self,
        walk: &mut Walk<'a>,
        path: &StepPath,
        frame: &Frame<'_>,
        open: Option<&'a Open>,
    ) -> Result<(), Stop> {
        match &self.kind {
            Kind::Reason(reason) => reason.begin(walk, path, frame, open),
            Kind::Act(act) => act.begin(walk, path, frame, open),
            Kind::Agent(agent) => {
                agent.begin(walk, path, frame);
                Ok(())
            }
            Kind::Plan(plan) => {
                plan.begin(walk, path, frame);
                Ok(())
            }
            Kind::Decide(decide) => decide.begin(walk, path, frame),
            Kind::Set(set) => set.begin(walk, path, frame),
            Kind::Each(each) => each.begin(walk, path, frame),
            Kind::Parallel(parallel) => parallel.begin(walk, path, frame),
            Kind::Repeat(repeat) => {
                repeat.begin(walk, path);
                Ok(())
            }
            Kind::Wait(wait) => wait.begin(walk, path, frame),
            Kind::Native(native) => native.begin(walk, path, frame),
            Kind::Emit(emit) => emit.begin(walk, path, frame),
            Kind::Approve(approve) => approve.begin(walk, path, frame, open),
            Kind::Handoff(handoff) => handoff.begin(walk, path, frame, open),
            Kind::Specialist(specialist) => specialist.begin(walk, path, frame, open),
            Kind::Verify(verify) => verify.begin(walk, path, frame, open),
        }
    }

    /// Whether what it gave elsewhere may count here: an answer is judged anew, a call by the rules of now.
    pub(crate) fn takes(
        &self,
        walk: &Walk<'_>,
        path: &StepPath,
        frame: &Frame<'_>,
        gave: &Value,
    ) -> Result<bool, Stop> {
        match &self.kind {
            Kind::Reason(reason) => reason.accepts(walk, path, frame, gave),
            Kind::Act(act) => act.is_allowed(walk, path, frame),
            _ => Ok(true),
        }
    }

    /// The step is in progress.
    pub(crate) fn go_on<'a>(
        &'a self,
        walk: &mut Walk<'a>,
        open: &'a Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        match &self.kind {
            Kind::Reason(reason) => reason.go_on(walk, open, path, frame),
            Kind::Act(act) => act.go_on(walk, open, path, frame),
            Kind::Agent(agent) => agent.go_on(walk, open, path, frame),
            Kind::Plan(plan) => plan.go_on(walk, open, path, frame),
            Kind::Each(each) => each.go_on(walk, open, path, frame),
            Kind::Parallel(parallel) => parallel.go_on(walk, open, path, frame),
            Kind::Repeat(repeat) => repeat.go_on(walk, open, path, frame),
            Kind::Wait(wait) => wait.go_on(walk, open, path, frame),
            Kind::Approve(approve) => approve.go_on(walk, open, path, frame),
            Kind::Handoff(handoff) => handoff.go_on(walk, open, path, frame),
            Kind::Specialist(specialist) => specialist.go_on(walk, open, path, frame),
            Kind::Verify(verify) => verify.go_on(walk, open, path, frame),
            Kind::Decide(_) | Kind::Set(_) | Kind::Native(_) | Kind::Emit(_) => Ok(()),
        }
    }

    /// Body number `index`: its steps and what its frame has of its own. `None`: this kind has no such body.
    pub(crate) fn body<'a>(
        &'a self,
        walk: &Walk<'_>,
        doing: &Doing,
        index: u32,
        path: &StepPath,
    ) -> Result<Option<Inner<'a>>, Stop> {
        match (&self.kind, doing) {
            (Kind::Each(each), Doing::Bodies(bodies)) => each.body(walk, bodies, index, path),
            (Kind::Parallel(parallel), Doing::Bodies(bodies)) => Ok(parallel.body(bodies, index, path)),
            (Kind::Agent(agent), Doing::Talking(talk)) => agent.body(walk, talk, path).map(Some),
            (Kind::Plan(plan), Doing::Talking(talk)) => plan.body(walk, talk, path).map(Some),
            (Kind::Repeat(repeat), Doing::Turns(turns)) => repeat.body(walk, turns, path).map(Some),
            _ => Ok(None),
        }
    }
}

/// A kind's key in a workflow file, all its keys, and those of later versions.
type Keys = (&'static str, &'static [&'static str], &'static [&'static str]);

/// The kinds that exist.
const KINDS: [Keys; 15] = [
    ("reason", &reason::KEYS, &[]),
    ("act", &act::KEYS, &act::LATER),
    ("agent", &agent::KEYS, &agent::LATER),
    ("plan", &plan::KEYS, &plan::LATER),
    ("decide", &decide::KEYS, &[]),
    ("set", &set::KEYS, &[]),
    ("each", &each::KEYS, &[]),
    ("parallel", &parallel::KEYS, &[]),
    ("repeat", &repeat::KEYS, &[]),
    ("wait", &wait::KEYS, &[]),
    ("native", &native::KEYS, &[]),
    ("emit", &emit::KEYS, &[]),
    ("approve", &approve::KEYS, &[]),
    ("handoff", &handoff::KEYS, &[]),
    ("verify", &verify::KEYS, &[]),
];

/// Every kind with its keys, then the keys that every step may have: what the reference must name.
pub fn keys() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    KINDS.iter().map(|(kind, keys, _)| (*kind, *keys)).chain([("step", &COMMON[..])])
}

/// What every step may have.
const COMMON: [&str; 6] = ["step", "when", "on_failure", "checkpoint", "deadline", "cache"];

/// Reads a list of steps; each sees those before it.
pub(crate) fn read_all(nodes: &Node, reading: &mut Reading<'_>) -> Vec<Step> {
    let Some(items) = nodes.list(&mut reading.complaints) else { return Vec::new() };
    if items.is_empty() {
        reading.complaints.push(nodes.complaint("W003", "at least one step is needed here"));
    }
    items.iter().filter_map(|item| read(item, reading)).collect()
}

/// Reads the `steps` and `gives` of a body, in the frame that is open. `gives` is `None` if it has errors.
pub(crate) fn read_body(fields: &Fields<'_>, reading: &mut Reading<'_>) -> (Vec<Step>, Option<Option<Template>>, Type) {
    reading.bodies += 1;
    let nodes = fields.required("steps", &mut reading.complaints);
    let steps = nodes.map(|nodes| read_all(nodes, reading)).unwrap_or_default();
    reading.bodies -= 1;
    let last = steps.last().and_then(|step| reading.named_type(&step.name)).unwrap_or(Type::Any);
    match fields.get("gives") {
        None => {
            steps.last().iter().for_each(|step| reading.reads_all_of(&step.name));
            (steps, Some(None), last)
        }
        Some(node) => match reading.template(node) {
            Some((gives, ty)) => (steps, Some(Some(gives)), ty),
            None => (steps, None, Type::Any),
        },
    }
}

fn read(node: &Node, reading: &mut Reading<'_>) -> Option<Step> {
    let yaml::Kind::Map(entries) = &node.kind else {
        reading.complaints.push(node.expected("a step (a map)"));
        return None;
    };
    let present = |word: &str| entries.iter().any(|(key, _)| &*key.text == word);
    let kinds: Vec<&Keys> = KINDS.iter().filter(|(kind, ..)| present(kind)).collect();
    let [(kind, keys, later)] = kinds[..] else {
        let message = match kinds.as_slice() {
            [] => {
                let words = KINDS.iter().map(|(kind, ..)| *kind);
                let hint = entries
                    .iter()
                    .filter(|(key, _)| !COMMON.contains(&&*key.text))
                    .find_map(|(key, _)| did_you_mean(&key.text, words.clone()));
                let hint = hint.unwrap_or_else(|| format!("write one of {}", words.collect::<Vec<_>>().join(", ")));
                let message = "the step says not what it does";
                reading.complaints.push(node.complaint("W029", message).hint(hint));
                remember(node, reading, Type::Any);
                return None;
            }
            several => {
                let words: Vec<String> = several.iter().map(|(kind, ..)| format!("`{kind}`")).collect();
                format!("a step does one thing; this one says {}", words.join(" and "))
            }
        };
        reading.complaints.push(node.complaint("W029", message));
        remember(node, reading, Type::Any);
        return None;
    };
    let known: Vec<&str> = COMMON.iter().chain(keys.iter()).copied().collect();
    let later: Vec<&str> = later.iter().copied().filter(|key| !known.contains(key)).collect();
    let fields = Fields::new(node, "a step", &known, &later, &mut reading.complaints)?;
    let name = fields.required("step", &mut reading.complaints).and_then(|node| reading.step_name(node));
    let reader = reading.reader.len();
    reading.reader.extend(name.clone());
    let when = fields.get("when").map(|node| reading.condition(node));
    // What `when` proves need not be proven again by the step itself.
    let proven = match &when {
        Some(Some(when)) => reading.proven(when),
        _ => Vec::new(),
    };
    reading.enter(proven);
    // Of a `reason` step alone, what is sent can be the key.
    let keyed = fields.get("cache").filter(|cache| *kind != "reason" || cache::has_key(cache));
    let draft = keyed.map(|node| cache::memo(node, None, reading));
    let read = match *kind {
        "reason" => reason::read(&fields, reading).map(|(reason, ty)| (Kind::Reason(reason), ty)),
        "act" => act::read(&fields, name.as_ref(), reading).map(|(act, ty)| (Kind::Act(act), ty)),
        "agent" => agent::read(&fields, name.as_ref(), reading).map(|(agent, ty)| (Kind::Agent(Box::new(agent)), ty)),
        "plan" => plan::read(&fields, name.as_ref(), reading).map(|(plan, ty)| (Kind::Plan(Box::new(plan)), ty)),
        "decide" => decide::read(&fields, reading).map(|(decide, ty)| (Kind::Decide(decide), ty)),
        "set" => set::read(&fields, reading).map(|(set, ty)| (Kind::Set(set), ty)),
        "each" => each::read(&fields, reading).map(|(each, ty)| (Kind::Each(each), ty)),
        "parallel" => parallel::read(&fields, reading).map(|(parallel, ty)| (Kind::Parallel(parallel), ty)),
        "repeat" => repeat::read(&fields, reading).map(|(repeat, ty)| (Kind::Repeat(repeat), ty)),
        "approve" => approve::read(&fields, reading).map(|(approve, ty)| (Kind::Approve(approve), ty)),
        "handoff" if fields.get("handoff").is_some_and(specialist::names_workflow) => {
            specialist::read(&fields, reading).map(|(specialist, ty)| (Kind::Specialist(specialist), ty))
        }
        "handoff" => handoff::read(&fields, reading).map(|(handoff, ty)| (Kind::Handoff(handoff), ty)),
        "emit" => emit::read(&fields, reading).map(|(emit, ty)| (Kind::Emit(emit), ty)),
        "wait" => wait::read(&fields, reading).map(|(wait, ty)| (Kind::Wait(wait), ty)),
        "verify" => verify::read(&fields, reading).map(|(verify, ty)| (Kind::Verify(verify), ty)),
        _ => native::read(&fields, reading).map(|(native, ty)| (Kind::Native(native), ty)),
    };
    let block = ["each", "parallel", "repeat"].contains(kind);
    let on_failure = reading.on_failure(&fields, if block { ListOf::Block } else { ListOf::Step });
    reading.leave();
    reading.reader.truncate(reader);
    let checkpoint = fields.bool("checkpoint", false, &mut reading.complaints);
    if let Some(key) = fields.key("checkpoint").filter(|_| checkpoint && reading.bodies > 0) {
        let message =
            "a step inside each, parallel or repeat is no checkpoint: its names are gone when the body is over";
        let complaint = Complaint::new("W133", &node.file, key.span, message);
        reading.complaints.push(complaint.hint("make the step before the block the checkpoint"));
    }
    let deadline = fields.time("deadline", &mut reading.complaints);
    if let Some(key) = fields.key("deadline").filter(|_| *kind == "decide") {
        let message = "a `decide` has no deadline: what takes time are the steps of the stages that it chooses";
        let complaint = Complaint::new("W191", &node.file, key.span, message);
        reading.complaints.push(complaint.hint("write it on those steps, or on the workflow"));
    }
    let name = name?;
    // A step with a mistake is still known to the steps below it, so that one mistake gives one complaint.
    let ty = read.as_ref().map_or(Type::Any, |(_, ty)| ty.clone());
    let ty = if when.is_some() { ty.maybe() } else { ty };
    reading.bind(name.clone(), ty);
    let when = match when {
        Some(when) => Some(when?),
        None => None,
    };
    let (kind, ty) = read?;
    let mut step = Step { name, at: node.span, when, kind, on_failure, checkpoint, deadline, cache: None, ty };
    if let Some(draft) = draft {
        let layers = std::mem::take(&mut reading.layers);
        let inside = Inside { steps: vec![&step], stage: false, layers: &layers };
        let memo = cache::of_part(draft?, &inside, reading);
        (step.cache, reading.layers) = (Some(memo), layers);
    }
    Some(step)
}

fn remember(node: &Node, reading: &mut Reading<'_>, ty: Type) {
    let yaml::Kind::Map(entries) = &node.kind else { return };
    if let Some((_, name)) = entries.iter().find(|(key, _)| &*key.text == "step")
        && let Some(name) = reading.step_name(name)
    {
        reading.bind(name, ty);
    }
}
