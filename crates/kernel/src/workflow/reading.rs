//! What reading a project needs at hand: the files, the names in scope with their types, and what was complained about.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    complaint::{Complaint, Complaints, Place, did_you_mean},
    expr::{Condition, Derivation, Expr, Fault, Names, RESERVED, Root, Template, Text},
    foresee::{allow, exact},
    governance::people::People,
    recovery::{Backoff, FailureKind, Recovery},
    routes::Routes,
    schema::Schema,
    step::{Step, people},
    tool::Tool,
    types::Type,
    values::Span,
    workflow::{
        Listed, Prompt, Recoveries, Use,
        project::{ModelDecl, Provider, Sources, file_exists},
        table::Table,
    },
    yaml::{self, Fields, Node},
};

/// Everything at hand while a project is read.
pub(crate) struct Reading<'a> {
    pub sources: &'a Sources,
    pub complaints: Complaints,
    /// The project's tools, by name.
    pub tools: BTreeMap<Arc<str>, Arc<Tool>>,
    /// Tools and operations whose files have mistakes: a step that names one is not to blame.
    pub broken: BTreeSet<String>,
    models: Option<&'a BTreeMap<Arc<str>, ModelDecl>>,
    /// Models that stand in for each other.
    pub routes: Arc<Routes>,
    schemas: BTreeMap<Arc<str>, Option<Arc<Schema>>>,
    /// Decision tables that were read, by path.
    pub tables: BTreeMap<Arc<str>, Option<Arc<Table>>>,
    /// Frames of names, innermost last.
    scopes: Vec<BTreeMap<Arc<str>, Type>>,
    /// Every step name of the workflow, with where it stands.
    steps: BTreeMap<Arc<str>, Place>,
    /// The stages of the workflow, in the order written.
    pub stages: Vec<Arc<str>>,
    /// The stage being read.
    pub stage: usize,
    /// Stages that a `then` or a recovery names.
    pub named: BTreeSet<Arc<str>>,
    /// Inside a body: a `decide` cannot choose a stage there.
    pub bodies: u32,
    /// Reading what holds for all stages: any of them may be named.
    pub anywhere: bool,
    /// A recovery may leave the stage being read, so that its steps may never run.
    pub may_leave: bool,
    fields_read: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    wholly_read: BTreeSet<Arc<str>>,
    /// All that expressions of the workflow read.
    pub uses: Vec<Use>,
    /// The steps being read, innermost last.
    pub reader: Vec<Arc<str>>,
    /// What the context layers around the steps being read show.
    pub layers: Vec<Use>,
    /// Where the keys of caches stand.
    pub keys: BTreeSet<Place>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(sources: &'a Sources, models: Option<&'a BTreeMap<Arc<str>, ModelDecl>>) -> Self {
        let mut complaints = Complaints::new();
        let routes = Arc::new(Routes::read(sources, models, &mut complaints));
        Reading {
            sources,
            complaints,
            tools: BTreeMap::new(),
            broken: BTreeSet::new(),
            models,
            routes,
            schemas: BTreeMap::new(),
            tables: BTreeMap::new(),
            scopes: Vec::new(),
            steps: BTreeMap::new(),
            stages: Vec::new(),
            stage: 0,
            named: BTreeSet::new(),
            bodies: 0,
            anywhere: false,
            may_leave: false,
            fields_read: BTreeMap::new(),
            wholly_read: BTreeSet::new(),
            uses: Vec::new(),
            reader: Vec::new(),
            layers: Vec::new(),
            keys: BTreeSet::new(),
        }
    }

    /// Begins a workflow: forgets the names of the one before.
    pub(crate) fn begin(&mut self, input: Type) {
        let run = Type::object([
            ("id", Type::TEXT),
            ("workflow", Type::TEXT),
            ("started_at", Type::TEXT),
            ("about", Type::Any),
            ("handoff", Type::Any),
        ]);
        self.scopes = vec![BTreeMap::from([("input".into(), input), ("run".into(), run)])];
        (self.steps, self.stages, self.named) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
        (self.stage, self.bodies, self.may_leave) = (0, 0, false);
        (self.fields_read, self.wholly_read) = (BTreeMap::new(), BTreeSet::new());
        (self.uses, self.reader, self.layers) = (Vec::new(), Vec::new(), Vec::new());
        self.keys = BTreeSet::new();
    }

    /// The people of the project, to check names against; `None`: a bundle has none, or their file has mistakes of its own.
    pub(crate) fn people(&self) -> Option<People> {
        self.models?;
        // What is wrong in the file is complained about where it is read for itself.
        People::read(self.sources, &mut Complaints::new())
    }

    // Names.

    /// Opens a frame with names of its own.
    pub(crate) fn enter(&mut self, names: impl IntoIterator<Item = (Arc<str>, Type)>) {
        self.scopes.push(names.into_iter().collect());
    }

    /// Closes the innermost frame.
    pub(crate) fn leave(&mut self) -> BTreeMap<Arc<str>, Type> {
        self.scopes.pop().unwrap_or_default()
    }

    /// A step's value may be read from here on.
    pub(crate) fn bind(&mut self, name: Arc<str>, ty: Type) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name, ty);
        }
    }

    /// The names that are there for certain where `condition` holds, with their types.
    pub(crate) fn proven(&self, condition: &Condition) -> Vec<(Arc<str>, Type)> {
        let narrowed = |name: Arc<str>| {
            let ty = self.scopes.iter().rev().find_map(|scope| scope.get(&name))?;
            Some((name, ty.present()))
        };
        condition.proves().into_iter().filter_map(narrowed).collect()
    }

    /// Whether the name is that of a step whose value can be read here.
    pub(crate) fn is_step(&self, name: &str) -> bool {
        self.steps.contains_key(name) && self.scopes.iter().any(|scope| scope.contains_key(name))
    }

    /// The type of a name of the innermost frame.
    pub(crate) fn named_type(&self, name: &str) -> Option<Type> {
        self.scopes.last().and_then(|scope| scope.get(name)).cloned()
    }

    /// All names that can be read here.
    pub(crate) fn visible(&self) -> BTreeSet<Arc<str>> {
        self.scopes.iter().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// The names of the innermost frame.
    pub(crate) fn innermost(&self) -> BTreeSet<Arc<str>> {
        self.scopes.last().map(|scope| scope.keys().cloned().collect()).unwrap_or_default()
    }

    /// From here on, every name of the innermost frame that is not in `known` may be none: its stage may not run.
    pub(crate) fn doubt(&mut self, known: &BTreeSet<Arc<str>>) {
        if let Some(scope) = self.scopes.last_mut() {
            for (_, ty) in scope.iter_mut().filter(|(name, _)| !known.contains(*name)) {
                *ty = ty.clone().maybe();
            }
        }
    }

    /// Takes a step's name: unique in the workflow, and none that means something already.
    pub(crate) fn name(&mut self, node: &Node, what: &str) -> Option<Arc<str>> {
        let name = node.text(&mut self.complaints)?;
        let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && name.chars().next().is_some_and(|c| c.is_ascii_lowercase())
            && name.len() <= 64;
        if !plain {
            let message = format!("`{name}` cannot name {what}");
            let hint = "use lower-case letters, digits and _, beginning with a letter, at most 64";
            self.complaints.push(node.complaint("W020", message).hint(hint));
            return None;
        }
        if RESERVED.contains(&&*name)
            || ["true", "false", "none", "not", "and", "or", "in", "is", "if", "else"].contains(&&*name)
        {
            let message = format!("`{name}` means something already and cannot name {what}");
            self.complaints.push(node.complaint("W020", message));
            return None;
        }
        Some(name)
    }

    /// Takes a step's name and remembers it.
    pub(crate) fn step_name(&mut self, node: &Node) -> Option<Arc<str>> {
        let name = self.name(node, "a step")?;
        if let Some(other) = self.steps.get(&name) {
            let message = format!("the step `{name}` stands at line {} already", other.line);
            let hint = "step names are unique in a workflow";
            self.complaints.push(node.complaint("W021", message).hint(hint));
            return None;
        }
        self.steps.insert(name.clone(), node.span);
        Some(name)
    }

    /// The innermost body whose names are read, counted from outside.
    pub(super) fn depth(&self, roots: &[Root]) -> u32 {
        let has = |scope: &BTreeMap<Arc<str>, Type>, root: &Root| scope.contains_key(&root.name);
        let of = |root: &Root| match &*root.name {
            "item" | "index" => self.scopes.iter().rposition(|scope| has(scope, root)),
            // What a `when` proves stands in a frame of its own as well.
            _ => self.scopes.iter().position(|scope| has(scope, root)),
        };
        roots.iter().filter_map(of).max().map_or(0, |depth| u32::try_from(depth).unwrap_or(u32::MAX))
    }

    /// Remembers which fields of which names the expression at `node` reads, and where it stands.
    pub(super) fn reads_at(&mut self, node: &Node, derivation: Derivation<'_>) {
        for (name, fields) in derivation.reads() {
            let by = self.reader.last().cloned();
            self.uses.push(Use { by, name, fields, file: node.file.clone(), at: node.span });
        }
        self.reads(derivation);
    }

    /// Remembers which fields of which names an expression reads.
    pub(super) fn reads(&mut self, derivation: Derivation<'_>) {
        match derivation {
            Derivation::Literal => {}
            Derivation::Path { root, fields } => self.read(&root.name, fields.first()),
            Derivation::Field(inner, name) => match *inner {
                Derivation::Path { root, fields: [] } => self.read(&root.name, Some(&name)),
                inner => self.reads(inner),
            },
            Derivation::Item { of, by } => {
                self.reads(*of);
                self.reads(*by);
            }
            Derivation::Map(pairs) => pairs.into_iter().for_each(|(_, one)| self.reads(one)),
            Derivation::List(all) | Derivation::Mixed(all) => all.into_iter().for_each(|one| self.reads(one)),
            Derivation::Either { of, by } => of.into_iter().chain(by).for_each(|one| self.reads(one)),
        }
    }

    fn read(&mut self, name: &Arc<str>, field: Option<&Arc<str>>) {
        match field {
            Some(field) => {
                self.fields_read.entry(name.clone()).or_default().insert(field.clone());
            }
            None => {
                self.wholly_read.insert(name.clone());
            }
        }
    }

    /// Somebody reads all of a value.
    pub(crate) fn reads_all_of(&mut self, name: &Arc<str>) {
        self.read(name, None);
    }

    /// What was read as `output` is a field of `step`.
    pub(crate) fn output_is(&mut self, step: &Arc<str>) {
        let fields = self.fields_read.remove("output").unwrap_or_default();
        self.fields_read.entry(step.clone()).or_default().extend(fields);
        if self.wholly_read.remove("output") {
            self.wholly_read.insert(step.clone());
        }
    }

    /// Warns about fields of answers that nothing reads.
    pub(crate) fn unread(&mut self, file: &Arc<str>, steps: &[Step]) {
        for step in steps {
            if !self.wholly_read.contains(&step.name) {
                self.complaints.extend(exact::unread(file, step, self.fields_read.get(&step.name)));
            }
            step.bodies().into_iter().for_each(|(_, steps)| self.unread(file, steps));
        }
    }

    // Expressions.

    pub(super) fn typed<T>(
        &mut self,
        node: &Node,
        typed: impl FnOnce(&Names<'_>) -> Result<T, Vec<Fault>>,
    ) -> Option<T> {
        let scopes = &self.scopes;
        let lookup = |name: &str| scopes.iter().rev().find_map(|scope| scope.get(name)).cloned();
        let known: Vec<&str> = scopes.iter().flat_map(|scope| scope.keys().map(|name| &**name)).collect();
        match typed(&Names { types: &lookup, known: &known }) {
            Ok(value) => Some(value),
            Err(faults) => {
                self.complaints.extend(faults.into_iter().map(|fault| fault.complaint(node)));
                None
            }
        }
    }

    /// A condition.
    pub(crate) fn condition(&mut self, node: &Node) -> Option<Condition> {
        let condition = self.complaints.take(Condition::of_node(node))?;
        self.typed(node, |names| condition.check(names))?;
        self.reads_at(node, condition.derivation());
        Some(condition)
    }

    /// A bare expression.
    pub(crate) fn expr(&mut self, node: &Node) -> Option<(Expr, Type)> {
        let expr = self.complaints.take(Expr::of_node(node))?;
        let ty = self.typed(node, |names| expr.ty(names))?;
        self.reads_at(node, expr.derivation());
        Some((expr, ty))
    }

    /// Values with expressions in them.
    pub(crate) fn template(&mut self, node: &Node) -> Option<(Template, Type)> {
        let template = self.complaints.take(Template::compile(node))?;
        let scopes = &self.scopes;
        let lookup = |name: &str| scopes.iter().rev().find_map(|scope| scope.get(name)).cloned();
        let known: Vec<&str> = scopes.iter().flat_map(|scope| scope.keys().map(|name| &**name)).collect();
        match template.ty(&Names { types: &lookup, known: &known }) {
            Ok(ty) => {
                self.reads_at(node, template.derivation());
                Some((template, ty))
            }
            Err(complaints) => {
                self.complaints.extend(complaints);
                None
            }
        }
    }

    /// A text with holes.
    pub(crate) fn text(&mut self, node: &Node) -> Option<Text> {
        let source = node.text(&mut self.complaints)?;
        match Text::compile(&source) {
            Ok(text) => {
                self.typed(node, |names| text.check(names))?;
                self.reads_at(node, text.derivation());
                Some(text)
            }
            Err(fault) => {
                self.complaints.push(fault.complaint(node));
                None
            }
        }
    }

    // Files.

    /// The schema that a path names.
    pub(crate) fn schema(&mut self, node: &Node) -> Option<Arc<Schema>> {
        let path = node.text(&mut self.complaints)?;
        if let Some(known) = self.schemas.get(&path) {
            return known.clone();
        }
        let loaded =
            if file_exists(self.sources, node, &path, &mut self.complaints) { self.load_schema(&path) } else { None };
        self.schemas.insert(path, loaded.clone());
        loaded
    }

    fn load_schema(&mut self, path: &Arc<str>) -> Option<Arc<Schema>> {
        let text = self.sources.get(path)?.clone();
        let node = self.complaints.take(yaml::parse(path, &text))?;
        self.complaints.take_all(Schema::load(path, &node))
    }

    /// Schemas that nothing names are read all the same: a mistake in them is a mistake.
    pub(crate) fn check_unused_schemas(&mut self) {
        let paths: Vec<Arc<str>> = self.sources.below("schemas/", ".yaml").map(|(path, _)| path.clone()).collect();
        for path in paths {
            if !self.schemas.contains_key(&path) {
                let loaded = self.load_schema(&path);
                self.schemas.insert(path, loaded);
            }
        }
    }

    /// The prompt that a path names; every hole must be one of `see`.
    pub(crate) fn prompt(&mut self, node: &Node, see: &[(Arc<str>, Type)]) -> Option<Prompt> {
        let path = node.text(&mut self.complaints)?;
        if !file_exists(self.sources, node, &path, &mut self.complaints) {
            return None;
        }
        let source = self.sources.get(&path)?.clone();
        let at = |fault: &Fault| place(&source, allow::in_file(&source, fault.offset), fault.len);
        let text = match Text::compile(&allow::sent(&source)) {
            Ok(text) => text,
            Err(fault) => {
                let complaint = Complaint::new(fault.id, &path, at(&fault), fault.message.clone());
                self.complaints.push(complaint.or_hint(fault.hint));
                return None;
            }
        };
        let lookup = |name: &str| see.iter().find(|(seen, _)| **seen == *name).map(|(_, ty)| ty.clone());
        let known: Vec<&str> = see.iter().map(|(name, _)| &**name).collect();
        if let Err(faults) = text.check(&Names { types: &lookup, known: &known }) {
            for fault in faults {
                let place = at(&fault);
                let hint = fault.hint.clone().or_else(|| {
                    let seen = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
                    Some(format!("a prompt sees only what `see:` names: here {seen}"))
                });
                self.complaints.push(Complaint::new(fault.id, &path, place, fault.message).or_hint(hint));
            }
            return None;
        }
        let reads = text.reads();
        Some(Prompt { file: path, text, reads, written: source })
    }

    /// A model's name, or a route's.
    pub(crate) fn model(&mut self, node: &Node) -> Option<Arc<str>> {
        let name = node.text(&mut self.complaints)?;
        if let Some(models) = self.models
            && !models.contains_key(&name)
            && self.routes.get(&name).is_none()
        {
            let words = models.keys().chain(self.routes.names());
            let hint = did_you_mean(&name, words.map(|name| &**name))
                .unwrap_or_else(|| "models are declared in surefoot.yaml under `models:`".to_owned());
            self.complaints.push(node.complaint("W015", format!("surefoot.yaml has no model `{name}`")).hint(hint));
        }
        Some(name)
    }

    /// Whether a model answers from rules.
    pub(crate) fn is_of_rules(&self, model: &str) -> bool {
        let decl = self.models.and_then(|models| models.get(model));
        decl.is_some_and(|decl| matches!(decl.provider, Provider::Rules { .. }))
    }

    /// A stage that may be chosen: one that stands further down.
    pub(crate) fn target(&mut self, node: &Node) -> Option<Arc<str>> {
        let name = node.text(&mut self.complaints)?;
        match self.stages.iter().position(|stage| *stage == name) {
            Some(place) if place > self.stage || self.anywhere => {
                self.named.insert(name.clone());
                Some(name)
            }
            Some(_) => {
                let message = format!("stage `{name}` does not stand below this one");
                let hint =
                    "a stage can only be chosen from above, so that no run goes in circles; for a loop use `repeat`";
                self.complaints.push(node.complaint("W022", message).hint(hint));
                None
            }
            None => {
                let hint = did_you_mean(&name, self.stages.iter().map(|name| &**name));
                self.complaints.push(node.complaint("W022", format!("there is no stage `{name}`")).or_hint(hint));
                None
            }
        }
    }

    /// `on_failure: { kind: [ … ] }`.
    pub(crate) fn on_failure(&mut self, fields: &Fields<'_>, of: ListOf) -> Recoveries {
        let mut recoveries = Recoveries::new();
        for (key, node) in fields.map("on_failure", &mut self.complaints) {
            let kind = FailureKind::ALL.iter().find(|kind| kind.as_str() == &*key.text);
            let Some(kind) = kind else {
                let hint = did_you_mean(&key.text, FailureKind::ALL.iter().map(|kind| kind.as_str()));
                let message = format!("there is no failure kind `{}`", key.text);
                let complaint = Complaint::new("W023", &node.file, key.span, message).or_hint(hint);
                self.complaints.push(complaint);
                continue;
            };
            let Some(items) = node.list(&mut self.complaints) else { continue };
            let list: Vec<_> =
                items.iter().filter_map(|item| Some((self.recovery(item, *kind, of)?, item.span))).collect();
            recoveries.insert(*kind, Listed::new(key.span, list));
        }
        recoveries
    }

    fn recovery(&mut self, node: &Node, kind: FailureKind, of: ListOf) -> Option<Recovery> {
        if node.scalar().is_some() {
            return match node.one_of(&["pause", "fail", "undo", "probe"], &mut self.complaints)? {
                "probe" if kind != FailureKind::UnknownOutcome => {
                    let message = format!("`probe` asks what became of an action, and `{kind}` is known");
                    self.complaints
                        .push(node.complaint("W135", message).hint("write it in the list for `unknown_outcome`"));
                    None
                }
                "probe" => Some(Recovery::Probe { at: node.span }),
                "pause" => Some(Recovery::Pause),
                "undo" if of == ListOf::Step => {
                    let message = "a step that has no steps inside has done nothing that `undo` could take back";
                    let hint = "write it in the list of the stage, of the workflow, or of the each, parallel or repeat around it: \
                                `undo` takes back what was done there";
                    self.complaints.push(node.complaint("W131", message).hint(hint));
                    None
                }
                "undo" => Some(Recovery::Undo),
                _ => Some(Recovery::Fail),
            };
        }
        let known = [
            "retry",
            "backoff",
            "every",
            "repair",
            "replan",
            "model",
            "stage",
            "continue_with",
            "return_to",
            "times",
            "person",
            "timeout",
        ];
        let later = [];
        let fields = Fields::new(node, "a recovery", &known, &later, &mut self.complaints)?;
        let mut times =
            |key: &str| fields.int(key, 1, 1000, &mut self.complaints).map(|times| u32::try_from(times).unwrap_or(1));
        let (retry, repair, replan) = (times("retry"), times("repair"), times("replan"));
        if let Some(times) = retry {
            let exponential =
                fields.one_of("backoff", &["exponential", "constant"], &mut self.complaints) != Some("constant");
            let base: Span = fields.time("every", &mut self.complaints).unwrap_or(Backoff::default().base);
            return Some(Recovery::Retry { times, backoff: Backoff { base, exponential } });
        }
        if let Some(times) = repair {
            return Some(Recovery::Repair { times });
        }
        if let Some(times) = replan {
            return Some(Recovery::Replan { times });
        }
        if let Some(node) = fields.get("model") {
            return self.model(node).map(Recovery::Model);
        }
        if let Some(group) = fields.get("person") {
            let timeout = fields.time("timeout", &mut self.complaints);
            return people::group(group, self).map(|group| Recovery::Person { group, timeout });
        }
        if let Some(target) = fields.get("return_to") {
            let step = target.text(&mut self.complaints)?;
            let times =
                fields.int("times", 1, 1000, &mut self.complaints).map_or(1, |times| u32::try_from(times).unwrap_or(1));
            if self.bodies > 0 {
                let message = "a step inside each, parallel or repeat cannot return to a checkpoint";
                self.complaints.push(target.complaint("W133", message).hint("put it on the step outside"));
                return None;
            }
            return Some(Recovery::ReturnTo { step, times, at: target.span });
        }
        if let Some(node) = fields.get("stage") {
            if self.bodies > 0 {
                let message = "a step inside each, parallel or repeat cannot leave for a stage";
                self.complaints.push(node.complaint("W022", message).hint("put it on the step outside"));
                return None;
            }
            self.may_leave = true;
            return self.target(node).map(Recovery::Stage);
        }
        if let Some(node) = fields.get("continue_with") {
            return self.template(node).map(|(template, _)| Recovery::ContinueWith(template));
        }
        if !known.iter().chain(&later).any(|key| fields.has(key)) {
            self.complaints.push(node.complaint(
                "W003",
                "a recovery needs one of retry, repair, replan, model, stage, continue_with, return_to, person",
            ));
        }
        None
    }
}

/// Whose `on_failure` list it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListOf {
    /// A step without steps inside.
    Step,
    /// An `each`, a `parallel` or a `repeat`.
    Block,
    /// A stage.
    Stage,
    /// The workflow.
    Workflow,
}

/// Where bytes of a text stand, for files that are no YAML.
pub(crate) fn place(text: &str, offset: usize, len: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    let meant = text.get(offset..offset + len).unwrap_or_default();
    Place {
        line: u32::try_from(before.matches('\n').count()).unwrap_or(u32::MAX - 1) + 1,
        column: count(&before[line_start..]) + 1,
        len: count(meant.lines().next().unwrap_or_default()).max(1),
    }
}
