//! Follows data through a workflow: steps in the order written, all branches, names by the frames they can be seen from.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    ActLabels, Flow, GENERATED, Origin, PRIVATE, SECRET, Shown, Trust, TrustRef, UNTRUSTED, UNVERIFIED,
    between::Crossing, find, schema, tree::Tree,
};
use crate::{
    cache::{self, Memo},
    complaint::Complaint,
    context::Layer,
    expr::{Derivation, Expr, RootKind, Template},
    governance::labels::words,
    recovery::{Recovery, outer_part},
    schema::Schema,
    step::{
        Kind, Step,
        act::{Act, undo_name},
        agent::Agent,
        each::{Each, Join},
        native::Native,
        parallel::Parallel,
        plan::Plan,
        proposals::{self, Sources, labels_name},
        reason::Reason,
        repeat::Repeat,
    },
    workflow::{self, Program, Recoveries, See, Stage, contract::Fact},
};

/// What following data through one workflow found.
pub(super) struct Followed {
    /// What every action of it carries.
    pub flow: Flow,
    /// What `check` has to say about it.
    pub complaints: Vec<Complaint>,
    /// What it hands to other workflows.
    pub hands: Vec<Hands>,
    /// What it publishes, by the event's name.
    pub emits: Vec<(Arc<str>, Origin)>,
    /// What its result carries.
    pub result: Tree,
}

/// What one step hands to another workflow.
pub(super) struct Hands {
    /// Which workflow.
    pub to: Arc<str>,
    /// What its input carries by that.
    pub with: Tree,
}

/// Follows data through one workflow, with what `crossing` says of the others. `marks`: what nothing in it verifies is marked as
/// unverified, which is asked for its result alone.
pub(super) fn follow(program: &Program, crossing: &Crossing, marks: bool) -> Followed {
    let external = Origin::of(UNTRUSTED, "input");
    let mut input = input_tree(program.input.as_deref(), &external, "input");
    crossing.onto(&program.name, &mut input);
    if marks {
        input.cover(&Origin::of(UNVERIFIED, "input"));
    }
    let mut walk = Walk {
        program,
        scopes: vec![[("input".into(), input)].into()],
        seen: Origin::default(),
        flow: Flow::default(),
        untied: BTreeMap::new(),
        turns: BTreeMap::new(),
        crossing,
        hands: Vec::new(),
        emits: Vec::new(),
        marks,
        proven: if marks { proven(program) } else { BTreeSet::new() },
    };
    let about: Vec<_> = program.about.iter().map(|(key, value)| (key.clone(), walk.template(value))).collect();
    // Whoever handed the work over wrote its task.
    let mut handoff = crossing.all(&program.name);
    handoff.join(&Origin::of(UNTRUSTED, "run.handoff"));
    if marks {
        handoff.join(&Origin::of(UNVERIFIED, "run.handoff"));
    }
    walk.bind("run", Tree::map([("about", Tree::map(about)), ("handoff", Tree::flat(handoff))]));
    walk.cached(cache::WORKFLOW.into(), program.cache.as_ref());
    for stage in &program.stages {
        walk.cached(cache::stage_called(&stage.name), stage.cache.as_ref());
        walk.steps(&stage.steps, stage);
    }
    let result = program.result.as_ref().map(|result| walk.template(&result.value)).unwrap_or_default();
    let complaints = find::complaints(program, &walk.flow, &walk.untied);
    let Walk { flow, hands, emits, .. } = walk;
    Followed { flow, complaints, hands, emits, result: result.bounded() }
}

/// The acts that a `verify` step proves without which no run completes.
fn proven(program: &Program) -> BTreeSet<Arc<str>> {
    let demanded = program.done_when.iter().filter(|demand| demand.when.is_none());
    let verified = demanded.filter_map(|demand| match &demand.fact {
        Fact::Verified(step) => program.step(step),
        _ => None,
    });
    let proves = |step: &Step| if let Kind::Verify(verify) = &step.kind { verify.proves.clone() } else { None };
    verified.filter_map(proves).collect()
}

fn input_tree(schema: Option<&Schema>, base: &Origin, source: &str) -> Tree {
    schema.map_or_else(|| Tree::flat(base.clone()), |schema| schema::tree(schema.json(), base, source))
}

/// The `trust:` that is asked of untrusted data, by `step.field`, with what it reads.
pub(super) type Untied = BTreeMap<Arc<str>, (Arc<TrustRef>, Origin)>;

struct Walk<'p> {
    program: &'p Program,
    /// Frames of names, innermost last.
    scopes: Vec<BTreeMap<Arc<str>, Tree>>,
    /// All that was read since the innermost body began: what the text of a failure may quote.
    seen: Origin,
    flow: Flow,
    untied: Untied,
    /// What the turns of each `repeat` were found to give so far: a loop inside a loop does not begin anew each time.
    turns: BTreeMap<Arc<str>, Origin>,
    /// What is known of the other workflows.
    crossing: &'p Crossing,
    hands: Vec<Hands>,
    emits: Vec<(Arc<str>, Origin)>,
    /// What nothing verifies is marked.
    marks: bool,
    /// Acts that are proven.
    proven: BTreeSet<Arc<str>>,
}

impl Walk<'_> {
    fn bind(&mut self, name: &str, tree: Tree) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.into(), tree.bounded());
        }
    }

    // Expressions.

    /// A name's value. One that no frame has is not there when it runs, either.
    fn name(&self, name: &str) -> Tree {
        self.scopes.iter().rev().find_map(|scope| scope.get(name)).cloned().unwrap_or_default()
    }

    fn template(&mut self, template: &Template) -> Tree {
        let tree = self.derived(&template.derivation());
        self.seen.join(&tree.all());
        tree
    }

    fn expr(&mut self, expr: &Expr) -> Tree {
        let tree = self.derived(&expr.derivation());
        self.seen.join(&tree.all());
        tree
    }

    fn derived(&self, derivation: &Derivation<'_>) -> Tree {
        match derivation {
            Derivation::Literal => Tree::default(),
            Derivation::Path { root, fields } => match root.what {
                RootKind::Value => self.path(&root.name, fields),
                // That a step ran and what it cost is nothing that came in.
                RootKind::Ran | RootKind::Meta => Tree::default(),
            },
            Derivation::Field(of, name) => self.derived(of).field(name),
            Derivation::Item { of, by } => {
                let mut item = self.derived(of).item();
                item.cover(&self.derived(by).all());
                item
            }
            Derivation::Map(fields) => {
                Tree::map(fields.iter().map(|(name, value)| (name.clone(), self.derived(value)))).bounded()
            }
            Derivation::List(items) => {
                Tree::list(Tree::any(items.iter().map(|item| self.derived(item))).unwrap_or_default())
            }
            Derivation::Either { of, by } => {
                let mut either = Tree::any(of.iter().map(|one| self.derived(one))).unwrap_or_default();
                by.iter().for_each(|one| either.cover(&self.derived(one).all()));
                either
            }
            Derivation::Mixed(parts) => {
                let mut all = Origin::default();
                parts.iter().for_each(|part| all.join(&self.derived(part).all()));
                Tree::flat(all)
            }
        }
    }

    /// What came in above the path came in at the path.
    fn path(&self, name: &str, fields: &[Arc<str>]) -> Tree {
        let mut tree = self.name(name);
        let mut path = name.to_owned();
        for field in fields {
            tree = tree.field(field);
            let below = format!("{path}.{field}");
            tree.each(&mut |own| {
                for sources in own.labels.values_mut() {
                    if sources.remove(&*path) {
                        sources.insert(below.as_str().into());
                    }
                }
            });
            path = below;
        }
        tree
    }

    // Steps.

    fn steps(&mut self, steps: &[Step], stage: &Stage) {
        for step in steps {
            self.cached(step.name.clone(), step.cache.as_ref());
            let mut tree = self.step(step, stage);
            if self.marks && self.claims(step) {
                tree.cover(&Origin::of(UNVERIFIED, &step.name));
            }
            let outer = [&stage.on_failure, &self.program.on_failure].into_iter().flat_map(Recoveries::values);
            // A block goes on where its steps end in an outer list.
            let outer = outer.flat_map(|list| &list[if step.is_block() { outer_part(list) } else { 0 }..]);
            for recovery in step.on_failure.values().flatten().chain(outer) {
                match recovery {
                    Recovery::ContinueWith(template) => tree.join(&self.template(template)),
                    // What a person says is as good as a text from outside.
                    Recovery::Person { .. } if step.takes_value() => {
                        let mut said = Origin::of(UNTRUSTED, &step.name);
                        if self.marks {
                            said.join(&Origin::of(UNVERIFIED, &step.name));
                        }
                        tree.join(&Tree::flat(said));
                    }
                    _ => {}
                }
            }
            if let Kind::Reason(Reason { unsure: Some(unsure), .. }) = &step.kind
                && unsure.asks_people()
            {
                tree.join(&Tree::flat(Origin::of(UNTRUSTED, &step.name)));
            }
            self.bind(&step.name, tree);
        }
    }

    /// All that a part reads from outside of it, where its result is kept.
    fn cached(&mut self, called: Arc<str>, memo: Option<&Memo>) {
        let Some(memo) = memo else { return };
        let mut all = Origin::default();
        memo.reads.iter().for_each(|(name, fields)| all.join(&self.path(name, fields).all()));
        self.seen.join(&all);
        self.flow.cached.entry(called).or_default().extend(all.words());
    }

    /// Whether what a step gives is what somebody says, and not made of what it was given.
    fn claims(&self, step: &Step) -> bool {
        match &step.kind {
            Kind::Reason(_) | Kind::Wait(_) | Kind::Approve(_) | Kind::Handoff(_) => true,
            Kind::Act(_) => !self.proven.contains(&step.name),
            _ => false,
        }
    }

    fn step(&mut self, step: &Step, stage: &Stage) -> Tree {
        match &step.kind {
            Kind::Reason(reason) => self.reason(reason, step, stage),
            Kind::Act(act) => self.act(act, step),
            Kind::Agent(agent) => self.agent(agent, step, stage),
            Kind::Plan(plan) => self.plan(plan, step, stage),
            // Which stage was chosen carries nothing.
            Kind::Decide(_) => Tree::default(),
            Kind::Set(set) => self.template(&set.value),
            Kind::Each(each) => self.each(each, step, stage),
            Kind::Parallel(parallel) => self.parallel(parallel, stage),
            Kind::Repeat(repeat) => self.repeat(repeat, stage),
            Kind::Wait(wait) => {
                let told = self.crossing.told(wait.events.iter().map(|event| &*event.name));
                let said = |field: &str| {
                    let source = format!("{}.{field}", step.name);
                    let mut own = wait.labels.applied(&Origin::of(UNTRUSTED, &source), &source);
                    // What a workflow of the project publishes carries here what it carries there.
                    told.iter().filter(|_| field == "body").for_each(|label| own.join(&Origin::of(label, &source)));
                    Tree::flat(own)
                };
                let none = Tree::default;
                let fields = [("by", none()), ("name", none()), ("body", said("body")), ("sender", said("sender"))];
                Tree::map(fields)
            }
            Kind::Native(native) => self.native(native, step),
            Kind::Emit(emit) => {
                let data = emit.data.as_ref().map(|data| self.template(data).all()).unwrap_or_default();
                self.emits.push((emit.event.name.clone(), data));
                Tree::default()
            }
            Kind::Approve(approve) => {
                self.told(approve.evidence.as_ref(), step);
                let answer = said(approve.form.as_deref(), step);
                let fields = [("approved", Tree::default()), ("by", Tree::default()), ("answer", answer)];
                Tree::map(fields)
            }
            Kind::Handoff(handoff) => {
                self.told(handoff.with.as_ref(), step);
                said(Some(&handoff.contract), step)
            }
            Kind::Specialist(specialist) => {
                self.told(specialist.with.as_ref(), step);
                let with = specialist.with.as_ref().map_or_else(|| Tree::map::<&str>([]), |with| self.template(with));
                self.hands.push(Hands { to: specialist.to.clone(), with });
                let mut tree = self.crossing.result(&specialist.to, &step.name);
                tree.add(&input_tree(Some(&specialist.contract), &Origin::default(), &step.name));
                self.seen.join(&tree.all());
                tree
            }
            // What it gives says that it held, and nothing of what was read.
            Kind::Verify(verify) => {
                verify.read.iter().for_each(|read| drop(self.act(read, step)));
                Tree::default()
            }
        }
    }

    /// What people are shown by name.
    fn told(&mut self, values: Option<&Template>, step: &Step) {
        let Some(values) = values else { return };
        let tree = self.template(values);
        let told = tree.fields.keys().map(|name| (name.clone(), tree.field(name).all())).collect();
        self.flow.told.insert(step.name.clone(), told);
    }

    fn reason(&mut self, reason: &Reason, step: &Step, stage: &Stage) -> Tree {
        let mut all = Origin::of(GENERATED, &step.name);
        all.join(&self.shown(&reason.see, step, stage));
        self.answer(Some(&reason.output), &all, &reason.trust, step)
    }

    /// What its model writes carries all that it may be shown: what each operation tells it, too.
    fn agent(&mut self, agent: &Agent, step: &Step, stage: &Stage) -> Tree {
        let mut shown = Origin::of(GENERATED, &step.name);
        shown.join(&self.shown(&agent.asks().see, step, stage));
        let mut sources = Sources { shown, ..Sources::default() };
        for granted in &agent.granted {
            let act = granted.act();
            let name = labels_name(&step.name, act);
            let operation = act.declared();
            let base = operation.labels.applied(&Origin::of(UNTRUSTED, &name), &name);
            let gave = input_tree(operation.returns.as_deref(), &base, &name).all();
            sources.gives.insert(granted.name.clone(), gave);
        }
        let all = sources.all();
        for granted in &agent.granted {
            let labels = proposals::labels(&step.name, granted.act(), &all);
            self.flow.acts.insert(labels.step.clone(), labels);
        }
        self.flow.proposing.insert(step.name.clone(), sources);
        self.answer(Some(&agent.asks().output), &all, &agent.asks().trust, step)
    }

    /// What its model writes carries all that it is shown. It is not told what its actions give; who reads the results is.
    fn plan(&mut self, plan: &Plan, step: &Step, stage: &Stage) -> Tree {
        let mut shown = Origin::of(GENERATED, &step.name);
        shown.join(&self.shown(&plan.asks().see, step, stage));
        let mut gave = shown.clone();
        for granted in &plan.granted {
            let act = granted.act();
            let name = labels_name(&step.name, act);
            let operation = act.declared();
            let base = operation.labels.applied(&Origin::of(UNTRUSTED, &name), &name);
            gave.join(&input_tree(operation.returns.as_deref(), &base, &name).all());
            let labels = proposals::labels(&step.name, act, &shown);
            self.flow.acts.insert(labels.step.clone(), labels);
        }
        self.seen.join(&gave);
        self.flow.proposing.insert(step.name.clone(), Sources { shown: shown.clone(), ..Sources::default() });
        Tree::map([("plan", Tree::flat(shown)), ("results", Tree::flat(gave))])
    }

    /// All that a model call of the step is shown.
    fn shown(&mut self, see: &[See], step: &Step, stage: &Stage) -> Origin {
        let program = self.program;
        fn above(layer: Option<&workflow::Layer>) -> &[See] {
            layer.map_or(&[], |layer| layer.see.as_slice())
        }
        let layers = [
            (Layer::Shared, above(program.context.as_ref())),
            (Layer::Stage, above(stage.context.as_ref())),
            (Layer::Task, see),
        ];
        let (mut all, mut shown) = (Origin::default(), Vec::new());
        for (layer, item) in layers.into_iter().flat_map(|(layer, see)| see.iter().map(move |item| (layer, item))) {
            let tree = self.expr(&item.from);
            let mut origin = tree.all();
            let (labels, _) = words::effect(item.labels.iter().map(|label| &**label));
            labels
                .iter()
                .for_each(|label| origin.join(&Origin::of(label, &format!("{}.see.{}", step.name, item.name))));
            let is_private = |origin: &Origin| [PRIVATE, SECRET].iter().any(|label| origin.labels.contains_key(*label));
            let private: Vec<Arc<str>> = tree
                .fields
                .iter()
                .filter(|(_, field)| is_private(&field.all()))
                .map(|(name, _)| name.clone())
                .collect();
            let private = if private.len() < tree.fields.len() { private } else { Vec::new() };
            all.join(&origin);
            shown.push(Shown { layer, item: item.name.clone(), origin, private });
        }
        self.flow.shown.insert(step.name.clone(), shown);
        all
    }

    fn native(&mut self, native: &Native, step: &Step) -> Tree {
        let all = native.with.as_ref().map(|with| self.template(with).all()).unwrap_or_default();
        self.answer(native.output.as_deref(), &all, &native.trust, step)
    }

    /// An answer made of `all`: its schema may add labels, and only `trust:` takes one away.
    fn answer(&mut self, output: Option<&Schema>, all: &Origin, trust: &[Trust], step: &Step) -> Tree {
        let mut tree = input_tree(output, &Origin::default(), &step.name);
        tree.cover(all);
        for trust in trust {
            if let Some(tie) = &trust.tie {
                let mut read = Origin::default();
                tie.ties().for_each(|expr| read.join(&self.expr(expr).all()));
                if read.words().contains(UNTRUSTED) {
                    self.untied.insert(tie.key(), (tie.clone(), read));
                    continue;
                }
            }
            tree.at(&trust.field).each(&mut |own| trusted(own, trust.tie.as_ref()));
        }
        self.seen.join(&tree.all());
        tree
    }

    fn act(&mut self, act: &Act, step: &Step) -> Tree {
        let tree = self.call(act, &step.name);
        if let Some(undo) = &act.undo {
            // Its own value is among the names that it sees.
            self.scopes.push([(step.name.clone(), tree.clone().bounded())].into());
            self.call(undo, &undo_name(&step.name));
            self.scopes.pop();
        }
        tree
    }

    fn call(&mut self, act: &Act, name: &Arc<str>) -> Tree {
        let with = act.with.as_ref().map_or_else(|| Tree::map::<&str>([]), |with| self.template(with));
        let external = Origin::of(UNTRUSTED, name);
        let operation = act.declared();
        let names = operation.params.as_ref().map(|params| input_tree(Some(params), &Origin::default(), ""));
        let names = names.iter().flat_map(|tree| tree.fields.keys()).chain(&operation.control);
        let names: Vec<&Arc<str>> = with.fields.keys().chain(names.filter(|_| !with.hollow)).collect();
        let mut arguments: BTreeMap<Arc<str>, Origin> =
            names.into_iter().map(|name| (super::pointer(name), with.field(name).all())).collect();
        let rest = with.rest.as_ref().map(|rest| rest.all());
        if let Some(rest) = rest.or_else(|| (!with.hollow).then(|| with.own.clone())) {
            arguments.insert("".into(), rest);
        }
        let action: Arc<str> = format!("{}.{}", act.tool.name, act.operation).into();
        let labels = ActLabels::of(name.clone(), action, operation, arguments);
        let mut base = operation.labels.applied(&external, name);
        if operation.labels.inherit {
            base.join(&labels.all);
        }
        let tree = input_tree(operation.returns.as_deref(), &base, name);
        self.flow.acts.insert(name.clone(), labels);
        self.seen.join(&tree.all());
        tree
    }

    // Bodies.

    /// What a body gives. Outside, its names are gone, and with them what could be asked for its ties.
    fn body(
        &mut self,
        names: Vec<(Arc<str>, Tree)>,
        steps: &[Step],
        gives: Option<&Template>,
        stage: &Stage,
    ) -> (Tree, Origin) {
        let before = std::mem::take(&mut self.seen);
        let bound: Vec<Arc<str>> = names.iter().map(|(name, _)| name.clone()).collect();
        let mut hidden: Vec<BTreeMap<Arc<str>, Tree>> = self.scopes.clone();
        for tree in hidden.iter_mut().flat_map(BTreeMap::values_mut) {
            tree.untie(&|trust| trust.reads(&bound));
        }
        let outside = std::mem::replace(&mut self.scopes, hidden);
        self.scopes.push(names.into_iter().collect());
        self.steps(steps, stage);
        let mut tree = match (gives, steps.last()) {
            (Some(gives), _) => self.template(gives),
            (None, Some(last)) => self.name(&last.name),
            (None, None) => Tree::default(),
        };
        let inside: Vec<Arc<str>> = self.scopes.pop().unwrap_or_default().into_keys().collect();
        self.scopes = outside;
        let lost = |trust: &TrustRef| inside.contains(&trust.step) || trust.reads(&inside);
        tree.untie(&lost);
        let mut seen = std::mem::replace(&mut self.seen, before);
        seen.untie(&lost);
        self.seen.join(&seen);
        (tree, seen)
    }

    fn each(&mut self, each: &Each, step: &Step, stage: &Stage) -> Tree {
        let item = self.expr(&each.list).item();
        let names = vec![(each.name.clone(), item.clone()), ("item".into(), item), ("index".into(), Tree::default())];
        let (gave, seen) = self.body(names, &each.steps, each.gives.as_ref(), stage);
        Tree::list(match each.join {
            Join::All | Join::Any | Join::Quorum(_) => gave,
            Join::Settle => {
                // A text about a failure may quote anything that was there.
                let mut detail = Origin::of(UNTRUSTED, &format!("{}.failure", step.name));
                detail.join(&seen);
                let failure = Tree::map([("kind", Tree::default()), ("detail", Tree::flat(detail))]);
                Tree::map([("ok", Tree::default()), ("value", gave), ("failure", failure)])
            }
        })
    }

    fn parallel(&mut self, parallel: &Parallel, stage: &Stage) -> Tree {
        let mut fields = Vec::new();
        for branch in &parallel.branches {
            let (gave, _) = self.body(Vec::new(), &branch.steps, branch.gives.as_ref(), stage);
            fields.push((branch.name.clone(), gave));
        }
        Tree::map(fields)
    }

    /// A turn sees what the one before gave, so it is followed until nothing new comes in.
    fn repeat(&mut self, repeat: &Repeat, stage: &Stage) -> Tree {
        let mut before = self.turns.get(&repeat.name).cloned().unwrap_or_default();
        loop {
            let names = vec![(repeat.name.clone(), Tree::flat(before.clone())), ("index".into(), Tree::default())];
            let (gave, _) = self.body(names, &repeat.steps, repeat.gives.as_ref(), stage);
            let mut next = before.clone();
            next.join(&gave.all());
            if next == before {
                self.turns.insert(repeat.name.clone(), before);
                return gave;
            }
            before = next;
        }
    }
}

/// What a person says is as good as a text from outside, unless its schema says otherwise.
fn said(schema: Option<&Schema>, step: &Step) -> Tree {
    input_tree(schema, &Origin::of(UNTRUSTED, &step.name), &step.name)
}

/// Takes `untrusted` away: for good, or until it is asked for.
fn trusted(own: &mut Origin, tie: Option<&Arc<TrustRef>>) {
    let sources = own.untrusted_from();
    own.labels.remove(UNTRUSTED);
    own.tied.clear();
    if let Some(trust) = tie
        && !sources.is_empty()
    {
        own.tied.insert(trust.key(), super::Tied { trust: trust.clone(), sources });
    }
}
