//! A project folder as texts: read, checked and compiled as a whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    complaint::{Complaint, Complaints, Severity, did_you_mean},
    foresee::{self, Around},
    governance::{
        budget::{self, Limits, Tariff},
        charter::Change,
        labels::{self, Flows, Words, WordsOf},
        people::People,
        policy::{self, Known, Policies},
    },
    ids::Digest,
    pace::Pace,
    tool::Tool,
    workflow::{
        Program,
        bundle::Bundle,
        channel::{self, ChannelDecl},
        handoffs,
        model::{self, Dialect, Remote},
        parse,
        profile::Profiles,
        reading::Reading,
        shown, table,
    },
    yaml::{self, Fields, Node},
};

/// The project file's name.
pub const PROJECT_FILE: &str = "surefoot.yaml";

/// The files of a project: path within the folder, with `/`, to text. Whoever may read files fills it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Path to text.
    pub files: BTreeMap<Arc<str>, Arc<str>>,
}

impl Sources {
    /// A file's text.
    pub fn get(&self, path: &str) -> Option<&Arc<str>> {
        self.files.get(path)
    }

    /// The files of one folder with one ending, in order: `("workflows/", ".yaml")`.
    pub fn below<'a>(&'a self, folder: &'a str, ending: &'a str) -> impl Iterator<Item = (&'a Arc<str>, &'a Arc<str>)> {
        self.files.iter().filter(move |(path, _)| path.starts_with(folder) && path.ends_with(ending))
    }
}

impl<P: Into<Arc<str>>, T: Into<Arc<str>>> FromIterator<(P, T)> for Sources {
    fn from_iter<I: IntoIterator<Item = (P, T)>>(files: I) -> Self {
        Sources { files: files.into_iter().map(|(path, text)| (path.into(), text.into())).collect() }
    }
}

/// What `surefoot.yaml` says. None of it is in the bundle: it may differ from machine to machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProjectFile {
    /// The project's name.
    pub name: Arc<str>,
    /// The models that steps may name.
    pub models: BTreeMap<Arc<str>, ModelDecl>,
    /// What workflows, tenants and days may spend.
    pub budgets: Limits,
    /// What `run` does without further words.
    pub try_run: Option<TryRun>,
    /// What is different where.
    pub profiles: Profiles,
    /// How people are told that a run needs them.
    pub channels: BTreeMap<Arc<str>, ChannelDecl>,
    /// Which labels a model may be shown, by its name, where that is said.
    pub cleared: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

impl ProjectFile {
    /// What it says of spending, as a change of what all runs are judged by.
    pub fn limits(&self) -> Change {
        let models = self.models.iter().map(|(name, model)| (name.clone(), model.rate())).collect();
        Change::Limits { project: self.name.clone(), limits: self.budgets.to_value(), models }
    }

    /// What it says of channels, as a change of what all runs are judged by. How each is reached stays with each process.
    pub fn channels(&self) -> Change {
        let channels = self.channels.iter().map(|(name, decl)| (name.clone(), decl.channel.clone())).collect();
        Change::Channels { project: self.name.clone(), channels }
    }
}

/// One model of the project.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelDecl {
    /// Who answers.
    pub provider: Provider,
    /// What is known of the cost of its calls.
    pub tariff: Tariff,
    /// How often it may be asked.
    pub pace: Option<Pace>,
    /// How many tokens it takes in and gives out together, if the file says so.
    pub window: Option<u64>,
}

/// Who answers for a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Provider {
    /// Answers from a case file of the project.
    Scripted {
        /// Its path.
        answers: Arc<str>,
    },
    /// A server that speaks one of the dialects of models.
    Remote(Box<Remote>),
    /// Rules in a file of the project.
    Rules {
        /// Its path.
        file: Arc<str>,
    },
    /// A provider that the embedding program registers.
    Registered,
}

/// `try: { workflow, input }`.
#[derive(Clone, Debug, PartialEq)]
pub struct TryRun {
    /// The workflow's name.
    pub workflow: Arc<str>,
    /// A YAML or JSON file of the project.
    pub input: Option<Arc<str>>,
}

/// A project without errors.
#[derive(Clone, Debug)]
pub struct Project {
    /// The project file.
    pub file: ProjectFile,
    /// By name.
    pub workflows: BTreeMap<Arc<str>, Arc<Program>>,
    /// By name.
    pub tools: BTreeMap<Arc<str>, Arc<Tool>>,
    /// Who may decide, as `people.yaml` says. Not in the bundle: today's people decide.
    pub people: People,
    /// The project frozen.
    pub bundle: Bundle,
    /// What is allowed, asked and denied; `None`: the project has no folder `policies/`. Not in the bundle: a run is judged by the
    /// policies of the day.
    pub policies: Option<Arc<Policies>>,
}

impl Project {
    /// What it has accepted of the servers of its MCP tools, by `tool.operation`.
    pub fn pins(&self) -> BTreeMap<Arc<str>, Digest> {
        let of = |tool: &Arc<Tool>| {
            let calls = tool.operations.iter().filter_map(|(name, operation)| Some((name, operation.mcp.as_ref()?)));
            calls.map(|(name, call)| (format!("{}.{name}", tool.name).into(), call.pin)).collect::<Vec<_>>()
        };
        self.tools.values().flat_map(of).collect()
    }
}

/// What checking a project gives.
#[derive(Debug)]
pub struct Checked {
    /// By file and place.
    pub complaints: Vec<Complaint>,
    /// There unless a complaint is an error.
    pub project: Option<Project>,
}

/// Checks everything that can be decided without running: all files, all references, all types.
pub fn check(sources: &Sources) -> Checked {
    let mut complaints = Complaints::new();
    let file = read_project_file(sources, &mut complaints);
    let bundle = Bundle::pack(sources);
    let models = file.as_ref().map(|file| &file.models);
    let (workflows, tools) = compile(sources, bundle.digest, models, &mut complaints);
    workflows.values().for_each(|program| foresee::check_lists(program, &mut complaints));
    if let (Some(file), false) = (&file, workflows.is_empty())
        && let Some(try_run) = &file.try_run
    {
        check_try(sources, try_run, &workflows, &mut complaints);
    }
    if sources.below("workflows/", ".yaml").next().is_none() {
        let message = "the project has no workflow: write one in workflows/, as in workflows/hello.yaml";
        complaints.push(Complaint::new("W010", &PROJECT_FILE.into(), None, message));
    }
    let people = People::read(sources, &mut complaints);
    if let (Some(people), Some(node)) = (&people, channel::file(sources)) {
        channel::unknown_groups(&node, people, &mut complaints);
    }
    let groups = people.as_ref().map(|people| people.group_names().cloned().collect());
    let policies = check_policies(sources, &workflows, &tools, groups.as_ref(), &mut complaints).map(Arc::new);
    if let Some(file) = &file {
        complaints.extend(shown::complaints(sources, file, workflows.values().map(|program| &**program)));
    }
    if let (Some(file), false) = (&file, complaints.has_errors()) {
        check_budgets(sources, file, &workflows, &mut complaints);
        let around = Around { policies: policies.as_deref(), limits: &file.budgets, models: &file.models };
        workflows.values().for_each(|program| foresee::check(program, &around, &mut complaints));
    }
    foresee::allow::apply(sources, &mut complaints);
    let errors = complaints.has_errors();
    let project = match (file, people) {
        (Some(file), Some(people)) if !errors => Some(Project { file, workflows, tools, people, policies, bundle }),
        _ => None,
    };
    Checked { complaints: complaints.into_sorted(), project }
}

/// The tools as their files declare them, those among them whose operations have mistakes. For who helps to correct them:
/// nothing is run by this.
pub fn declared(sources: &Sources) -> BTreeMap<Arc<str>, Arc<Tool>> {
    let mut reading = Reading::new(sources, None);
    crate::tool::read_all(&mut reading);
    reading.tools
}

/// Compiles the policies, unless their tools are wrong: then every rule about one of them would be.
fn check_policies(
    sources: &Sources,
    workflows: &BTreeMap<Arc<str>, Arc<Program>>,
    tools: &BTreeMap<Arc<str>, Arc<Tool>>,
    groups: Option<&BTreeSet<Arc<str>>>,
    complaints: &mut Complaints,
) -> Option<Policies> {
    let wrong = |folder: &str| {
        let mut all = complaints.as_slice().iter();
        all.any(|one| one.severity == Severity::Error && one.file.starts_with(folder))
    };
    if wrong("tools/") || wrong("schemas/") || wrong("sql/") {
        return None;
    }
    let workflows = (!wrong("workflows/")).then_some(workflows);
    let mut found = Complaints::new();
    let policies = policy::compile(sources, tools, Known { workflows, groups }, &mut found);
    complaints.extend(found.into_sorted());
    policies
}

type Compiled = (BTreeMap<Arc<str>, Arc<Program>>, BTreeMap<Arc<str>, Arc<Tool>>);

/// Compiles all workflows. With `models`, the names of models are checked as well; a bundle does not know them.
pub(super) fn compile(
    sources: &Sources,
    bundle: crate::ids::Digest,
    models: Option<&BTreeMap<Arc<str>, ModelDecl>>,
    complaints: &mut Complaints,
) -> Compiled {
    let mut reading = Reading::new(sources, models);
    crate::tool::read_all(&mut reading);
    let mut programs: BTreeMap<Arc<str>, Program> = BTreeMap::new();
    // Names of workflows, also of those with mistakes: a step that hands work to one of these is not to blame.
    let mut names = BTreeSet::new();
    for (path, text) in sources.below("workflows/", ".yaml") {
        let Some(node) = reading.complaints.take(yaml::parse(path, text)) else { continue };
        names.extend(name_of(&node));
        let Some(program) = parse::workflow(path, &node, bundle, &mut reading) else { continue };
        if let Some(other) = programs.get(&program.name) {
            let message = format!("workflow `{}` stands in {} as well", program.name, other.file);
            reading.complaints.push(node.complaint("W011", message));
        }
        programs.insert(program.name.clone(), program);
    }
    let mut flows = labels::flows(&programs);
    handoffs::check(&programs, &names, &flows, &mut reading.complaints);
    let mut workflows = BTreeMap::new();
    for (name, mut program) in programs {
        let Some(Flows { flow, complaints, .. }) = flows.remove(&name) else { continue };
        let wrong = complaints.iter().any(|one| one.severity == Severity::Error);
        reading.complaints.extend(complaints);
        program.labels = flow;
        if !wrong {
            workflows.insert(name, Arc::new(program));
        }
    }
    table::check_unused(&mut reading);
    reading.check_unused_schemas();
    let tools = reading.tools.clone();
    complaints.extend(reading.complaints.into_sorted());
    (workflows, tools)
}

/// What a file says of its name.
fn name_of(node: &Node) -> Option<Arc<str>> {
    let yaml::Kind::Map(entries) = &node.kind else { return None };
    entries.iter().find(|(key, _)| &*key.text == "workflow").and_then(|(_, node)| node.scalar().cloned())
}

fn read_project_file(sources: &Sources, complaints: &mut Complaints) -> Option<ProjectFile> {
    let path: Arc<str> = PROJECT_FILE.into();
    let Some(text) = sources.get(PROJECT_FILE) else {
        let message = "the project has no surefoot.yaml";
        complaints.push(
            Complaint::new("W010", &path, None, message)
                .hint("write at least `project: name`, or begin with `surefoot init`"),
        );
        return None;
    };
    let node = complaints.take(yaml::parse(&path, text))?;
    let known = ["project", "models", "budgets", "try", "profiles", "profile", "channels", "routes"];
    let later = ["stores", "people", "prices", "approvals"];
    let fields = Fields::new(&node, "surefoot.yaml", &known, &later, complaints)?;
    if let Some(key) = fields.key("routes") {
        let message = "routes stand in a file of their own: a run keeps those that it began with";
        let hint = "move them to routes.yaml, below its key `routes:`";
        complaints.push(Complaint::new("W176", &path, key.span, message).hint(hint));
    }
    let name = fields.text("project", complaints)?;
    let (mut models, mut clearances) = (BTreeMap::new(), BTreeMap::new());
    for (key, node) in fields.map("models", complaints) {
        if let Some(model) = read_model(sources, node, complaints) {
            models.insert(key.text.clone(), model);
        }
        clearances.extend(cleared(node, complaints).map(|labels| (key.text.clone(), labels)));
    }
    let budgets = fields.get("budgets").and_then(|node| Limits::read(node, complaints)).unwrap_or_default();
    let try_run = fields.get("try").and_then(|node| {
        let fields = Fields::new(node, "`try`", &["workflow", "input"], &[], complaints)?;
        Some(TryRun { workflow: fields.text("workflow", complaints)?, input: fields.opt_text("input", complaints) })
    });
    let profiles = Profiles::read(&fields, complaints);
    let channels = channel::read(&fields, complaints);
    Some(ProjectFile { name, models, budgets, try_run, profiles, channels, cleared: clearances })
}

fn read_model(sources: &Sources, node: &Node, complaints: &mut Complaints) -> Option<ModelDecl> {
    let provider = provider(node);
    if let Some(dialect) = provider.and_then(Dialect::parse) {
        return model::remote(dialect, node, complaints);
    }
    if provider == Some("rules") {
        return rules(sources, node, complaints);
    }
    let fields = Fields::new(
        node,
        "a model",
        &["provider", "answers", "max_tokens", "price", "rate", "window", "cleared"],
        &[],
        complaints,
    )?;
    let provider = fields.required("provider", complaints)?;
    let tariff = model::tariff(&fields, complaints);
    let pace = fields.get("rate").and_then(|node| Pace::read(node, complaints));
    let window = model::window(&fields, complaints);
    let words = ["scripted", "rules", "openai_chat", "openai_responses", "anthropic", "gemini", "registered"];
    match provider.one_of(&words, complaints)? {
        "registered" => Some(ModelDecl { provider: Provider::Registered, tariff, pace, window }),
        _ => {
            let answers = fields.required("answers", complaints)?;
            let path = answers.text(complaints)?;
            file_exists(sources, answers, &path, complaints);
            Some(ModelDecl { provider: Provider::Scripted { answers: path }, tariff, pace, window })
        }
    }
}

/// `cleared: [private]` of a model, whoever answers for it.
fn cleared(node: &Node, complaints: &mut Complaints) -> Option<BTreeSet<Arc<str>>> {
    let yaml::Kind::Map(entries) = &node.kind else { return None };
    let (_, node) = entries.iter().find(|(key, _)| &*key.text == "cleared")?;
    Words::read(node, WordsOf::See, complaints).map(|words| words.words)
}

/// Who answers for a model: each has its own keys.
fn provider(node: &Node) -> Option<&str> {
    let yaml::Kind::Map(entries) = &node.kind else { return None };
    entries.iter().find(|(key, _)| &*key.text == "provider").and_then(|(_, node)| node.scalar()).map(|word| &**word)
}

/// `{ provider: rules, file }`. What stands in the file is read by whoever follows it.
fn rules(sources: &Sources, node: &Node, complaints: &mut Complaints) -> Option<ModelDecl> {
    let fields = Fields::new(node, "a model of rules", &["provider", "file"], &[], complaints)?;
    let node = fields.required("file", complaints)?;
    let file = node.text(complaints)?;
    // Only what stands in that folder is frozen with the project.
    if !file.starts_with("rules/") {
        complaints.push(node.expected("a file in rules/"));
    } else {
        file_exists(sources, node, &file, complaints);
    }
    Some(ModelDecl { provider: Provider::Rules { file }, tariff: Tariff::Free, pace: None, window: None })
}

/// Complains if the project has no file of that path, and names the nearest one.
pub(crate) fn file_exists(sources: &Sources, node: &Node, path: &str, complaints: &mut Complaints) -> bool {
    if sources.get(path).is_some() {
        return true;
    }
    let hint = did_you_mean(path, sources.files.keys().map(|path| &**path));
    complaints.push(node.complaint("W012", format!("the project has no file `{path}`")).or_hint(hint));
    false
}

/// What needs both the project file and the workflows.
fn check_budgets(
    sources: &Sources,
    file: &ProjectFile,
    workflows: &BTreeMap<Arc<str>, Arc<Program>>,
    complaints: &mut Complaints,
) {
    let path: Arc<str> = PROJECT_FILE.into();
    if let Some(node) = sources.get(&path).and_then(|text| yaml::parse(&path, text).ok()) {
        budget::unknown_workflows(&node, workflows, complaints);
    }
    for program in workflows.values() {
        budget::unpriced_models(&file.budgets, &file.models, program, complaints);
    }
}

fn check_try(
    sources: &Sources,
    try_run: &TryRun,
    workflows: &BTreeMap<Arc<str>, Arc<Program>>,
    complaints: &mut Complaints,
) {
    let path: Arc<str> = PROJECT_FILE.into();
    let Some(node) = sources.get(&path).and_then(|text| yaml::parse(&path, text).ok()) else { return };
    let yaml::Kind::Map(entries) = &node.kind else { return };
    let Some((_, node)) = entries.iter().find(|(key, _)| &*key.text == "try") else { return };
    let Some(program) = workflows.get(&try_run.workflow) else {
        let hint = did_you_mean(&try_run.workflow, workflows.keys().map(|name| &**name));
        let message = format!("there is no workflow `{}`", try_run.workflow);
        complaints.push(node.complaint("W013", message).or_hint(hint));
        return;
    };
    let Some(input) = &try_run.input else { return };
    if !file_exists(sources, node, input, complaints) {
        return;
    }
    let Some(text) = sources.get(input) else { return };
    let Some(value) = complaints.take(yaml::parse(input, text).and_then(|node| node.to_value())) else { return };
    if let Some(schema) = &program.input
        && let Err(wrong) = schema.validate(&value)
    {
        for line in wrong {
            let message = format!("the input does not fit {}: {line}", program.file);
            complaints.push(Complaint::new("W014", input, None, message));
        }
    }
}
