//! Where a step's value comes from: its expressions as they were written, the values that they read, and where each of those came in.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::{
    cache::Part,
    expr::{Expr, Root},
    ids::{FrameKey, StepPath},
    journal::{Entry, Event, Held},
    run::RunState,
    step::{Kind, Step, proposals::Granted},
    story,
    values::Value,
    workflow::Program,
};

/// Where one value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The name under which the step's expressions read it.
    pub name: Arc<str>,
    /// In words: an entry, the input, an item.
    pub from: String,
    /// The value, cut to a line.
    pub value: String,
    /// The entry that holds it; `None`: it is a place in a list.
    pub entry: Option<u64>,
    /// The step that gave it; `None`: it is the run's input.
    pub step: Option<StepPath>,
}

/// A step on the way back from a value, and what it read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The step.
    pub step: StepPath,
    /// What its own expressions read.
    pub reads: Vec<Origin>,
    /// Recorded steps of its body, branches or turns.
    pub inside: Vec<StepPath>,
}

/// What a journal says of where values came from.
pub struct Origins<'a> {
    program: Option<&'a Program>,
    input: Option<&'a Held>,
    /// What each step gave, and the entry that says so.
    values: BTreeMap<String, (u64, String)>,
    /// The lists that were gone through.
    items: BTreeMap<String, (u64, Held)>,
}

impl<'a> Origins<'a> {
    /// Reads a journal; `state` is its fold. Without its program nothing is known of items and expressions.
    pub fn of(entries: &[Entry], state: &'a RunState, program: Option<&'a Program>) -> Origins<'a> {
        let (mut values, mut items) = (BTreeMap::new(), BTreeMap::new());
        for entry in entries {
            let Ok(event) = entry.event() else { continue };
            if let Some((step, gave)) = event.completes() {
                let gave = gave.map_or_else(
                    || story::line(&event).split_once(": ").map(|(_, said)| said.to_owned()).unwrap_or_default(),
                    story::held,
                );
                values.insert(step.as_str().to_owned(), (entry.seq, gave));
            }
            // Each step of a stage whose result was used again has its value from there.
            if let Event::PartReused { part: Part::Stage(_), output: Held::Value(output), .. } = &event
                && let Some(Value::Map(gave)) = output.get("gave")
            {
                values.extend(gave.iter().map(|(step, value)| (step.to_string(), (entry.seq, story::short(value)))));
            }
            if let Event::EachOpened { step, items: list, .. } = event {
                items.insert(step.as_str().to_owned(), (entry.seq, list));
            }
        }
        Origins { program, input: state.start.as_ref().map(|start| &start.input), values, items }
    }

    /// Where the values under `names` came from, as the step at `path` saw them.
    pub fn of_names(&self, path: &StepPath, names: &[Arc<str>]) -> Vec<Origin> {
        names.iter().filter_map(|name| self.origin(path, name)).collect()
    }

    /// Where the values came from that an expression reads, as the step at `path` saw them.
    pub fn of_expression(&self, path: &StepPath, source: &str) -> Vec<Origin> {
        let Ok(expr) = Expr::compile(source) else { return Vec::new() };
        let mut names: Vec<_> = expr.roots().iter().map(|root| root.name.clone()).collect();
        names.dedup();
        self.of_names(path, &names)
    }

    /// Where the values came from that the step at `path` reads.
    pub fn of_step(&self, path: &StepPath) -> Vec<Origin> {
        let step = self.program.and_then(|program| program.step_at(path));
        step.map(|step| self.of_names(path, &roots(step))).unwrap_or_default()
    }

    /// The way back from a step to what came in from outside: each step once, nearest first, at most `most`.
    pub fn back(&self, path: &StepPath, most: usize) -> Vec<Link> {
        let mut links: Vec<Link> = Vec::new();
        let mut queue = VecDeque::from([path.clone()]);
        while let Some(step) = queue.pop_front() {
            if links.len() == most {
                break;
            }
            if links.iter().any(|link| link.step == step) {
                continue;
            }
            let reads = self.of_step(&step);
            queue.extend(reads.iter().filter_map(|origin| origin.step.clone()));
            let within = self.values.keys().map(|known| StepPath::new(known.as_str()));
            let inside = within.filter(|known| known.is_inside(&step)).collect();
            links.push(Link { step, reads, inside });
        }
        links
    }

    fn origin(&self, path: &StepPath, name: &Arc<str>) -> Option<Origin> {
        let made = |from: String, value: &str, entry: Option<u64>, step: Option<&str>| {
            let step = step.map(StepPath::new);
            Some(Origin { name: name.clone(), from, value: value.to_owned(), entry, step })
        };
        if &**name == "input" {
            return made("the run's input, entry 1".to_owned(), &story::held(self.input?), Some(1), None);
        }
        // From the innermost body outwards: `a[1]/b.left/` then `a[1]/` then nothing.
        let text = path.as_str();
        let mut prefix = text.rfind('/').map_or("", |at| &text[..=at]);
        let given = |step: String| {
            let (seq, value) = self.values.get(&step)?;
            made(format!("entry {seq}"), value, Some(*seq), Some(&step))
        };
        loop {
            if let Some(origin) = given(format!("{prefix}{name}")) {
                return Some(origin);
            }
            let body = prefix.strip_suffix('/')?;
            let (outer, last) = body.rsplit_once('/').map_or(("", body), |(outer, last)| (outer, last));
            if let Some(item) = self.item(&StepPath::new(body), last, outer, name) {
                return Some(item);
            }
            prefix = if outer.is_empty() { "" } else { &text[..=outer.len()] };
            if prefix.is_empty() {
                return given(name.to_string());
            }
        }
    }

    /// The item of the `each` whose body this is, if `name` is what the body calls it.
    fn item(&self, body: &StepPath, last: &str, outer: &str, name: &Arc<str>) -> Option<Origin> {
        let segment = body.segments().last()?;
        let Some(FrameKey::Index(index)) = segment.frame else { return None };
        let Kind::Each(each) = &self.program?.step(segment.name)?.kind else { return None };
        let open = last.replace(&format!("[{index}]"), "");
        let key = if outer.is_empty() { open } else { format!("{outer}/{open}") };
        let step = Some(StepPath::new(key.as_str()));
        if &**name == "index" {
            let from = format!("the place in {}", segment.name);
            return Some(Origin { name: name.clone(), from, value: index.to_string(), entry: None, step });
        }
        if &**name != "item" && *name != each.name {
            return None;
        }
        let (seq, list) = self.items.get(&key)?;
        let value = match list {
            Held::Value(Value::List(list)) => story::short(list.get(index as usize)?),
            held => story::held(held),
        };
        let from = format!("item {index} of entry {seq}");
        Some(Origin { name: name.clone(), from, value, entry: Some(*seq), step })
    }
}

/// The expressions of a step, as they were written.
pub fn expressions(step: &Step) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    if let Some(when) = &step.when {
        all.push(("when", when.source().to_owned()));
    }
    match &step.kind {
        Kind::Reason(reason) => {
            all.push(("asks", format!("{} by {}", reason.prompt.file, reason.model)));
            all.extend(reason.see.iter().map(|see| ("see", format!("{}: {}", see.name, see.from.source()))));
            all.extend(reason.check.iter().map(|check| ("check", check.source().to_owned())));
        }
        Kind::Act(act) => all.push(("acts", format!("{}.{}", act.tool.name, act.operation))),
        Kind::Agent(agent) => {
            let reason = agent.asks();
            all.push(("asks", format!("{} by {}", reason.prompt.file, reason.model)));
            all.push(("may", agent.granted.iter().map(Granted::action).collect::<Vec<_>>().join(", ")));
            all.extend(reason.see.iter().map(|see| ("see", format!("{}: {}", see.name, see.from.source()))));
            all.extend(reason.check.iter().map(|check| ("check", check.source().to_owned())));
        }
        Kind::Plan(plan) => {
            let reason = plan.asks();
            all.push(("asks", format!("{} by {}", reason.prompt.file, reason.model)));
            all.push(("may", plan.granted.iter().map(Granted::action).collect::<Vec<_>>().join(", ")));
            all.extend(reason.see.iter().map(|see| ("see", format!("{}: {}", see.name, see.from.source()))));
            let when = plan.review.as_ref().and_then(|review| review.when.as_ref());
            all.extend(when.map(|when| ("review", when.source().to_owned())));
        }
        Kind::Decide(decide) => {
            all.extend(decide.table.iter().map(|tabled| ("table", tabled.table.file.to_string())));
            all.extend(decide.rules.iter().map(|rule| {
                let line = format!("{} → {}", rule.when.source(), rule.then.join(", "));
                ("when", line)
            }));
        }
        Kind::Each(each) => all.push(("each", each.list.source().to_owned())),
        Kind::Wait(wait) => {
            all.extend(wait.until.iter().map(|until| ("until", until.source().to_owned())));
            all.extend(wait.events.iter().map(|event| ("event", event.name.to_string())));
        }
        Kind::Emit(emit) => all.push(("emits", emit.event.name.to_string())),
        Kind::Repeat(repeat) => all.extend(repeat.until.as_ref().map(|until| ("until", until.source().to_owned()))),
        Kind::Native(native) => all.push(("calls", native.function.to_string())),
        Kind::Approve(approve) => all.push(("asks", format!("{}: {}", approve.of.join(" or "), approve.ask.source()))),
        Kind::Handoff(handoff) => all.push(("hands", format!("{}: {}", handoff.to, handoff.task.source()))),
        Kind::Specialist(specialist) => {
            all.push(("hands", format!("workflow {}: {}", specialist.to, specialist.task.source())));
        }
        Kind::Verify(verify) => {
            all.extend(verify.read.as_ref().map(|read| ("reads", format!("{}.{}", read.tool.name, read.operation))));
            all.push(("holds", verify.holds.source().to_owned()));
        }
        Kind::Set(_) | Kind::Parallel(_) => {}
    }
    all
}

/// The names that a step's own expressions read, each once.
pub fn roots(step: &Step) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    let mut add = |roots: &[Root]| {
        for root in roots {
            // `output` is the step's own answer.
            if !names.contains(&root.name) && &*root.name != "output" {
                names.push(root.name.clone());
            }
        }
    };
    if let Some(when) = &step.when {
        add(when.roots());
    }
    match &step.kind {
        Kind::Reason(reason) => {
            reason.see.iter().for_each(|see| add(see.from.roots()));
            reason.check.iter().for_each(|check| add(check.roots()));
        }
        Kind::Act(act) => act.with.iter().for_each(|with| add(with.roots())),
        Kind::Agent(agent) => {
            agent.asks().see.iter().for_each(|see| add(see.from.roots()));
            agent.asks().check.iter().for_each(|check| add(check.roots()));
        }
        Kind::Plan(plan) => plan.asks().see.iter().for_each(|see| add(see.from.roots())),
        Kind::Decide(decide) => {
            decide.rules.iter().for_each(|rule| add(rule.when.roots()));
            decide.table.iter().for_each(|tabled| add(tabled.with.roots()));
        }
        Kind::Set(set) => add(set.value.roots()),
        Kind::Each(each) => add(each.list.roots()),
        Kind::Wait(wait) => {
            wait.until.iter().for_each(|until| add(until.roots()));
            wait.events.iter().filter_map(|event| event.key.as_ref()).for_each(|key| add(key.roots()));
        }
        Kind::Emit(emit) => {
            emit.event.key.iter().chain(&emit.data).for_each(|template| add(template.roots()));
        }
        Kind::Native(native) => native.with.iter().for_each(|with| add(with.roots())),
        Kind::Approve(approve) => {
            add(approve.ask.roots());
            approve.evidence.iter().for_each(|evidence| add(evidence.roots()));
        }
        Kind::Handoff(handoff) => {
            add(handoff.task.roots());
            handoff.with.iter().for_each(|with| add(with.roots()));
        }
        Kind::Specialist(specialist) => {
            add(specialist.task.roots());
            specialist.with.iter().for_each(|with| add(with.roots()));
        }
        Kind::Verify(verify) => {
            verify.read.iter().filter_map(|read| read.with.as_ref()).for_each(|with| add(with.roots()));
            add(verify.holds.roots());
        }
        Kind::Parallel(parallel) => {
            parallel.branches.iter().filter_map(|branch| branch.when.as_ref()).for_each(|when| add(when.roots()))
        }
        Kind::Repeat(repeat) => repeat.until.iter().for_each(|until| add(until.roots())),
    }
    names
}
