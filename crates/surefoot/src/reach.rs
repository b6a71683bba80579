//! From a project's tool files and models to what really reaches tools and models.

mod channel;
mod command;
mod mail;
pub mod mcp;
mod sql;
mod webhook;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use gateway::{
    Gateway, Outcome, Provider, Tool,
    channel::Channel,
    egress::{DemoHosts, NotLoopback, SystemResolver},
    model::{
        remote::{Remote, RemoteModel},
        rules::Rules,
        scripted::{Script, Scripted},
    },
    secret::{Lookup, Secrets, SystemSecrets},
    tool::{
        Now,
        http::{BadHttpTool, HttpBody, HttpClient, HttpOperation, HttpSpec, HttpTool, Method},
        mail::BadMailTool,
        native::{Native, NativeTool},
        page::{BadPageTool, PageTool},
    },
};
use kernel::{
    complaint::Complaint,
    expr::Template,
    governance::Permit,
    ids::IdempotencyKey,
    recovery::{Failure, FailureKind, Phase},
    tool::{HttpCall, Operation, Reach as Way, page::Page},
    values::Value,
    workflow::{
        profile::Profile,
        project::{self, Project, Sources},
    },
    yaml::Node,
};
use runtime::{Clock, SystemClock};

use crate::{
    notebook::{self, Notebook},
    sites::{SiteError, SiteServer},
};

/// Why a project's tools or models cannot be set up in this process.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// A native tool that nobody registered.
    #[error("the tool `{tool}` ({file}) is native, and this program has none of that name")]
    NoTool {
        /// Its name.
        tool: Arc<str>,
        /// Its file.
        file: Arc<str>,
    },
    /// A model that nobody registered.
    #[error(
        "the model `{model}` is registered by the program that runs the project, and this program has none of that name"
    )]
    NoModel {
        /// Its name.
        model: Arc<str>,
    },
    /// A variable that a tool file names.
    #[error("the tool `{tool}` ({file}) needs the environment variable {variable}, which is not set")]
    NoVariable {
        /// Its name.
        tool: Arc<str>,
        /// Its file.
        file: Arc<str>,
        /// Which.
        variable: String,
    },
    /// The base URL cannot be computed.
    #[error("the base URL of the tool `{tool}` ({file}) {detail}")]
    BaseUrl {
        /// Its name.
        tool: Arc<str>,
        /// Its file.
        file: Arc<str>,
        /// What is wrong.
        detail: String,
    },
    /// The address of a mail server or of a receiver of events cannot be computed.
    #[error("the address of the tool `{tool}` ({file}) {detail}")]
    Address {
        /// The tool's name.
        tool: Arc<str>,
        /// Its file.
        file: Arc<str>,
        /// What is wrong.
        detail: String,
    },
    /// The tool file says something that mail does not allow.
    #[error("the tool `{tool}` ({file}) cannot be set up")]
    Mail {
        /// Its name.
        tool: Arc<str>,
        /// Its file.
        file: Arc<str>,
        /// Why.
        #[source]
        source: BadMailTool,
    },
    /// A program would be run, and nobody has allowed that.
    #[error(
        "the tool `{tool}` ({file}) runs a program on this machine, and that is off: set SUREFOOT_ALLOW_COMMANDS=1 to allow it"
    )]
    CommandsOff {
        /// The tool's name.
        tool: Arc<str>,
        /// Its file.
        file: Arc<str>,
    },
    /// The program of a tool cannot be run as its file says.
    #[error("the program of the tool `{tool}` ({file}) {detail}")]
    Command {
        /// The tool's name.
        tool: Arc<str>,
        /// Its file.
        file: Arc<str>,
        /// What is wrong.
        detail: String,
    },
    /// The database of a tool cannot be named.
    #[error("the database of the tool `{tool}` ({file}) {detail}")]
    Database {
        /// The tool's name.
        tool: Arc<str>,
        /// Its file.
        file: Arc<str>,
        /// What is wrong.
        detail: String,
    },
    /// The tool file says something that HTTP does not allow.
    #[error("the tool `{tool}` ({file}) cannot be set up")]
    Http {
        /// Its name.
        tool: Arc<str>,
        /// Its file.
        file: Arc<str>,
        /// Why.
        #[source]
        source: BadHttpTool,
    },
    /// A variable that the base URL of a model names.
    #[error("the model `{model}` needs the environment variable {variable}, which is not set")]
    NoModelVariable {
        /// Its name.
        model: Arc<str>,
        /// Which.
        variable: String,
    },
    /// The base URL of a model cannot be computed.
    #[error("the base URL of the model `{model}` {detail}")]
    ModelUrl {
        /// Its name.
        model: Arc<str>,
        /// What is wrong.
        detail: String,
    },
    /// What the project file says of a model is not possible over HTTP.
    #[error("the model `{model}` cannot be set up")]
    Model {
        /// Its name.
        model: Arc<str>,
        /// Why.
        #[source]
        source: BadHttpTool,
    },
    /// The tool file's page part cannot work on this machine.
    #[error("the tool `{tool}` ({file}) cannot be set up")]
    Page {
        /// Its name.
        tool: Arc<str>,
        /// Its file.
        file: Arc<str>,
        /// Why.
        #[source]
        source: BadPageTool,
    },
    /// A channel that cannot work as the project file says.
    #[error("the channel `{channel}` (surefoot.yaml) {detail}")]
    Channel {
        /// Its name.
        channel: Arc<str>,
        /// What is wrong.
        detail: String,
    },
    /// A profile that the project does not have.
    #[error("the project has no profile `{name}`{}", .hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default())]
    NoProfile {
        /// As asked for.
        name: String,
        /// What was probably meant.
        hint: Option<String>,
    },
    /// The sites of a demonstration cannot be served.
    #[error(transparent)]
    Sites(#[from] SiteError),
    /// The sites of a demonstration would be served to others.
    #[error(transparent)]
    SitesOutside(#[from] NotLoopback),
    /// The file of a scripted model has faults.
    #[error("the answers of the model `{model}` have faults: {}", .complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Script {
        /// The model.
        model: Arc<str>,
        /// All of them.
        complaints: Vec<Complaint>,
    },
    /// The file of a model that follows rules has faults.
    #[error("the rules of the model `{model}` have faults: {}", .complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Rules {
        /// The model.
        model: Arc<str>,
        /// All of them.
        complaints: Vec<Complaint>,
    },
}

/// What the process brings: everything that the project's files do not hold.
#[derive(Clone)]
pub struct Surroundings {
    /// Looks up a variable of the environment.
    pub environment: Lookup,
    /// A directory of secrets, one file each.
    pub secrets: Option<PathBuf>,
    /// The project's folder, if there is one: the notebook writes there.
    pub folder: Option<PathBuf>,
    /// The profile of the project that counts; `None`: the one that its file names.
    pub profile: Option<String>,
    /// Whether tools may run programs on this machine.
    pub commands: bool,
    /// A program whose `main` hands over to the sandbox of commands, as ours does; `None`: no command can be run.
    pub sandbox: Option<PathBuf>,
    /// Registered tools, by name.
    pub tools: BTreeMap<Arc<str>, Arc<dyn NativeTool>>,
    /// Registered providers, by model name.
    pub providers: BTreeMap<Arc<str>, Arc<dyn Provider>>,
}

impl Surroundings {
    /// Nothing registered.
    pub fn new(environment: Lookup) -> Surroundings {
        let secrets = environment("SUREFOOT_SECRETS").filter(|path| !path.is_empty()).map(PathBuf::from);
        let profile = environment("SUREFOOT_PROFILE").filter(|name| !name.is_empty());
        let (tools, providers) = (BTreeMap::new(), BTreeMap::new());
        let commands = environment("SUREFOOT_ALLOW_COMMANDS").is_some_and(|text| text == "1");
        Surroundings { environment, secrets, folder: None, profile, commands, sandbox: None, tools, providers }
    }

    /// The same for the project in `folder`.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Surroundings {
        self.folder = Some(folder.to_owned());
        self
    }
}

/// Tools and models by their names in the project.
#[derive(Clone, Default)]
pub struct Reach {
    /// By tool name.
    pub tools: BTreeMap<Arc<str>, Arc<dyn Tool>>,
    /// By model name.
    pub models: BTreeMap<Arc<str>, Arc<dyn Provider>>,
    /// By the name of the project and of the channel: `shop/desk`.
    pub channels: BTreeMap<Arc<str>, Arc<dyn Channel>>,
    /// The sites of a demonstration, if the profile has some and a tool reads pages.
    pub sites: Option<Arc<SiteServer>>,
}

/// Makes the tables of the project's tool `tool`, as its first call would; gives the file of its database.
pub(crate) async fn database(
    sources: &Sources,
    project: &Project,
    tool: &str,
    around: &Surroundings,
) -> Result<PathBuf, crate::pages::PagesError> {
    let none = || crate::pages::PagesError::NoDatabase { tool: tool.to_owned() };
    let declared = project.tools.get(tool).ok_or_else(none)?;
    let Way::Sql { database, migrations } = &declared.reach else { return Err(none()) };
    let reached = sql::tool(sources, declared, (database, migrations), around)?;
    Ok(reached.prepare(tool).await?)
}

impl Reach {
    /// Sets up every tool and model that the project names.
    ///
    /// # Errors
    /// [`ReachError`] for the first that cannot be.
    pub fn new(sources: &Sources, project: &Project, around: &Surroundings) -> Result<Reach, ReachError> {
        let mut reach = Reach { sites: sites(project, around)?, ..Reach::default() };
        let mut client = None;
        let secrets: Arc<dyn Secrets> =
            Arc::new(SystemSecrets::new(around.environment.clone(), around.secrets.clone()));
        let clock = Arc::new(SystemClock::new());
        let now: Now = Arc::new(move || clock.now());
        for (name, tool) in &project.tools {
            let reached: Arc<dyn Tool> = match &tool.reach {
                Way::Native => Arc::new(native(tool, around)?),
                Way::Http { headers, .. } => {
                    let failed = |source| ReachError::Http { tool: name.clone(), file: tool.file.clone(), source };
                    let client = match &client {
                        Some(client) => HttpClient::clone(client),
                        None => client.insert(HttpClient::new().map_err(failed)?).clone(),
                    };
                    let operations = tool.operations.iter().filter_map(|(name, operation)| {
                        Some((name.clone(), http(operation, operation.http.as_ref()?)))
                    });
                    let spec = HttpSpec {
                        base_url: base_url(sources, tool, around)?,
                        headers: headers.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect(),
                        operations: operations.collect(),
                    };
                    Arc::new(HttpTool::new(spec, secrets.clone(), client).map_err(failed)?)
                }
                Way::Command(command) => Arc::new(command::tool(tool, command, around)?),
                Way::Mcp(mcp) => {
                    let failed = |source| ReachError::Http { tool: name.clone(), file: tool.file.clone(), source };
                    let client = match &client {
                        Some(client) => HttpClient::clone(client),
                        None => client.insert(HttpClient::new().map_err(failed)?).clone(),
                    };
                    Arc::new(mcp::tool(sources, tool, mcp, around, (secrets.clone(), client))?)
                }
                Way::Mail(mail) => Arc::new(mail::tool(sources, tool, mail, around, (secrets.clone(), now.clone()))?),
                Way::Webhook(hook) => {
                    let failed = |source| ReachError::Http { tool: name.clone(), file: tool.file.clone(), source };
                    let client = match &client {
                        Some(client) => HttpClient::clone(client),
                        None => client.insert(HttpClient::new().map_err(failed)?).clone(),
                    };
                    Arc::new(webhook::tool(sources, tool, hook, around, (secrets.clone(), now.clone(), client))?)
                }
                Way::Sql { database, migrations } => {
                    Arc::new(sql::tool(sources, tool, (database, migrations), around)?)
                }
                Way::Page(page) => Arc::new(pages(tool, page, project, around, reach.sites.as_ref())?),
            };
            reach.tools.insert(name.clone(), reached);
        }
        for (name, model) in &project.file.models {
            let provider = match (around.providers.get(name), &model.provider) {
                // Who embeds the project may put a real provider in the place of a script. Where the project itself names who answers,
                // its file says the truth.
                (Some(provider), project::Provider::Registered | project::Provider::Scripted { .. }) => {
                    provider.clone()
                }
                (_, project::Provider::Scripted { answers }) => {
                    let text = sources.get(answers).map_or("", |text| text);
                    let script = Script::parse(answers, text)
                        .map_err(|complaints| ReachError::Script { model: name.clone(), complaints })?;
                    Arc::new(Scripted::new(script))
                }
                (_, project::Provider::Remote(decl)) => {
                    let failed = |source| ReachError::Model { model: name.clone(), source };
                    let client = match &client {
                        Some(client) => HttpClient::clone(client),
                        None => client.insert(HttpClient::new().map_err(failed)?).clone(),
                    };
                    let spec = remote(name, decl, around)?;
                    Arc::new(RemoteModel::new(spec, secrets.clone(), client).map_err(failed)?)
                }
                (_, project::Provider::Rules { file }) => {
                    let rules = Rules::parse(file, sources)
                        .map_err(|complaints| ReachError::Rules { model: name.clone(), complaints })?;
                    Arc::new(rules)
                }
                (_, project::Provider::Registered) => return Err(ReachError::NoModel { model: name.clone() }),
            };
            reach.models.insert(name.clone(), provider);
        }
        for (name, decl) in &project.file.channels {
            let client = || match &client {
                Some(client) => Ok(HttpClient::clone(client)),
                None => HttpClient::new(),
            };
            let made = channel::channel(name, decl, around, (secrets.clone(), now.clone()), client)?;
            reach.channels.insert(format!("{}/{name}", project.file.name).into(), made);
        }
        Ok(reach)
    }

    /// As the runtime takes it.
    pub fn gateway(self) -> Gateway {
        let gateway = self.models.into_iter().fold(Gateway::new(), |all, (name, one)| all.with_shared_model(name, one));
        let gateway = self.channels.into_iter().fold(gateway, |all, (name, one)| all.with_channel(name, one));
        self.tools.into_iter().fold(gateway, |all, (name, one)| all.with_shared_tool(name, one))
    }
}

/// The profile that counts.
fn profile<'a>(project: &'a Project, around: &Surroundings) -> Result<Option<&'a Profile>, ReachError> {
    project
        .file
        .profiles
        .choose(around.profile.as_deref())
        .map_err(|hint| ReachError::NoProfile { name: around.profile.clone().unwrap_or_default(), hint })
}

fn sites(project: &Project, around: &Surroundings) -> Result<Option<Arc<SiteServer>>, ReachError> {
    let Some(sites) = profile(project, around)?.and_then(|profile| profile.sites.as_ref()) else { return Ok(None) };
    if !project.tools.values().any(|tool| matches!(tool.reach, Way::Page(_))) {
        return Ok(None);
    }
    let folder = around.folder.as_deref().ok_or(SiteError::NoFolder)?;
    Ok(Some(Arc::new(SiteServer::start(sites, folder)?)))
}

fn pages(
    tool: &kernel::tool::Tool,
    page: &Page,
    project: &Project,
    around: &Surroundings,
    server: Option<&Arc<SiteServer>>,
) -> Result<Served, ReachError> {
    let demo = match (server, profile(project, around)?.and_then(|profile| profile.sites.as_ref())) {
        (Some(server), Some(sites)) => Some(Arc::new(DemoHosts::new(sites, server.address())?)),
        _ => None,
    };
    let operations = tool.operations.iter().map(|(name, operation)| (name.clone(), operation.timeout)).collect();
    let tool = PageTool::new(page, operations, Arc::new(SystemResolver), demo).map_err(|source| ReachError::Page {
        tool: tool.name.clone(),
        file: tool.file.clone(),
        source,
    })?;
    Ok(Served { tool, _sites: server.cloned() })
}

/// A page tool with the sites that it reads: they are served as long as it is there.
struct Served {
    tool: PageTool,
    _sites: Option<Arc<SiteServer>>,
}

#[async_trait]
impl Tool for Served {
    async fn call(&self, permit: &Permit) -> Outcome {
        self.tool.call(permit).await
    }
}

fn native(tool: &kernel::tool::Tool, around: &Surroundings) -> Result<ByOperation, ReachError> {
    let registered = around.tools.get(&tool.name).cloned();
    let built_in = || -> Option<Arc<dyn NativeTool>> {
        let folder = around.folder.as_deref().filter(|_| &*tool.name == notebook::NAME)?;
        Some(Arc::new(Notebook::of(folder)))
    };
    let shared = registered
        .or_else(built_in)
        .ok_or_else(|| ReachError::NoTool { tool: tool.name.clone(), file: tool.file.clone() })?;
    let operations = tool
        .operations
        .iter()
        .map(|(name, operation)| (name.clone(), Native::new(Shared(shared.clone())).with_timeout(operation.timeout)));
    Ok(ByOperation { operations: operations.collect() })
}

/// A native tool whose operations have each their own time limit.
struct ByOperation {
    operations: BTreeMap<Arc<str>, Native>,
}

#[async_trait]
impl Tool for ByOperation {
    async fn call(&self, permit: &Permit) -> Outcome {
        match self.operations.get(permit.operation()) {
            Some(native) => native.call(permit).await,
            // A run of an older bundle may name an operation that the file has lost since.
            None => Outcome::failed(Failure {
                kind: FailureKind::Internal,
                phase: Phase::NotSent,
                detail: format!("the tool `{}` has no operation `{}` today", permit.tool(), permit.operation()),
                retry_after: None,
            }),
        }
    }
}

struct Shared(Arc<dyn NativeTool>);

#[async_trait]
impl NativeTool for Shared {
    async fn call(&self, operation: &str, input: Value, key: &IdempotencyKey) -> Result<Value, Failure> {
        self.0.call(operation, input, key).await
    }
}

fn http(operation: &Operation, call: &HttpCall) -> HttpOperation {
    // The kernel has let pass only methods of its own short list, and each is a token of HTTP.
    let method = call.method.parse().unwrap_or(Method::POST);
    let plain = HttpOperation::new(method, call.path.clone());
    HttpOperation {
        query: call.query.iter().map(|(name, text)| (name.to_string(), text.clone())).collect(),
        headers: call.headers.iter().map(|(name, text)| (name.to_string(), text.clone())).collect(),
        body: match (&call.body, &call.only) {
            (Some(body), _) => HttpBody::Template(body.clone()),
            (None, Some(names)) if names.is_empty() => HttpBody::None,
            (None, Some(names)) => HttpBody::Named(names.clone()),
            (None, None) => plain.body.clone(),
        },
        key_header: call.key_header.as_ref().map(ToString::to_string),
        timeout: operation.timeout,
        ..plain
    }
}

/// A model behind a server, with the variables of the environment that its base URL names.
fn remote(name: &Arc<str>, decl: &Remote, around: &Surroundings) -> Result<Remote, ReachError> {
    let bad = |detail: String| ReachError::ModelUrl { model: name.clone(), detail };
    let node = Node::plain(&project::PROJECT_FILE.into(), &decl.base_url);
    let template = Template::compile(&node).map_err(|complaint| bad(complaint.message))?;
    let mut environment = BTreeMap::new();
    if !template.roots().is_empty() {
        for variable in variables(&decl.base_url) {
            let Some(value) = (around.environment)(&variable) else {
                return Err(ReachError::NoModelVariable { model: name.clone(), variable });
            };
            environment.insert(Arc::<str>::from(variable), Value::text(value));
        }
    }
    let environment = Value::Map(Arc::new(environment));
    let values: Vec<Value> = template.roots().iter().map(|_| environment.clone()).collect();
    let value = template.eval(&values).map_err(|why| bad(format!("cannot be computed: {why}")))?;
    let base_url = value.as_str().ok_or_else(|| bad(format!("is {}, no text", value.kind())))?;
    Ok(Remote { base_url: base_url.into(), ..decl.clone() })
}

/// The base URL with the variables of the environment that the file names.
fn base_url(sources: &Sources, tool: &kernel::tool::Tool, around: &Surroundings) -> Result<String, ReachError> {
    let Way::Http { base_url, .. } = &tool.reach else { return Ok(String::new()) };
    let bad = |detail: String| ReachError::BaseUrl { tool: tool.name.clone(), file: tool.file.clone(), detail };
    evaluated(base_url, sources, tool, around, &bad)
}

/// A text of a tool file with the variables of the environment that it names.
fn evaluated(
    template: &Template,
    sources: &Sources,
    tool: &kernel::tool::Tool,
    around: &Surroundings,
    bad: &dyn Fn(String) -> ReachError,
) -> Result<String, ReachError> {
    let mut environment = BTreeMap::new();
    if !template.roots().is_empty() {
        for variable in variables(sources.get(&tool.file).map_or("", |text| text)) {
            let Some(value) = (around.environment)(&variable) else {
                return Err(ReachError::NoVariable { tool: tool.name.clone(), file: tool.file.clone(), variable });
            };
            environment.insert(Arc::<str>::from(variable), Value::text(value));
        }
    }
    let environment = Value::Map(Arc::new(environment));
    let values: Vec<Value> = template.roots().iter().map(|_| environment.clone()).collect();
    let value = template.eval(&values).map_err(|why| bad(format!("cannot be computed: {why}")))?;
    value.as_str().map(str::to_owned).ok_or_else(|| bad(format!("is {}, no text", value.kind())))
}

/// The names after `env.` in a tool file, comments left out.
fn variables(text: &str) -> BTreeSet<String> {
    let lines =
        text.lines().map(|line| line.split(" #").next().unwrap_or_default()).filter(|line| !line.starts_with('#'));
    let mut found = BTreeSet::new();
    for line in lines {
        for (at, _) in line.match_indices("env.") {
            let before = line[..at].chars().next_back();
            if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
                continue;
            }
            let name = line[at + 4..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_');
            let name: String = name.collect();
            if !name.is_empty() {
                found.insert(name);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> (Sources, Project) {
        let base = [
            ("surefoot.yaml", "project: x\n"),
            ("workflows/w.yaml", "workflow: w\nstages: [{ stage: s, steps: [{ step: a, set: 1 }] }]\n"),
        ];
        let sources: Sources = base.iter().chain(files).copied().collect();
        let checked = project::check(&sources);
        (sources, checked.project.unwrap_or_else(|| panic!("{:?}", checked.complaints)))
    }

    fn around(variables: &'static [(&'static str, &'static str)]) -> Surroundings {
        Surroundings::new(Arc::new(move |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        }))
    }

    fn refusal(files: &[(&str, &str)], around: &Surroundings) -> String {
        let (sources, project) = project(files);
        Reach::new(&sources, &project, around).map(|_| ()).unwrap_err().to_string()
    }

    const HTTP: &str = "tool: mail\nhttp: { base_url: =env.MAIL_URL }\n\
                        operations: { list: { effect: read, method: GET, path: /all } }\n";
    const NATIVE: &str = "tool: notebook\nnative: true\noperations: { list: { effect: read } }\n";

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(
            refusal(&[("tools/mail.yaml", HTTP)], &around(&[])),
            "the tool `mail` (tools/mail.yaml) needs the environment variable MAIL_URL, which is not set"
        );
        assert_eq!(
            refusal(&[("tools/notebook.yaml", NATIVE)], &around(&[])),
            "the tool `notebook` (tools/notebook.yaml) is native, and this program has none of that name"
        );
        assert_eq!(
            refusal(&[("surefoot.yaml", "project: x\nmodels: { m: { provider: registered } }\n")], &around(&[])),
            "the model `m` is registered by the program that runs the project, and this program has none of that name"
        );
    }

    #[test]
    fn who_answers_is_what_the_file_says_whoever_is_registered() {
        struct Nobody;
        #[async_trait::async_trait]
        impl Provider for Nobody {
            async fn ask(&self, _: &kernel::context::ModelRequest) -> gateway::Reply {
                unreachable!("nothing is asked here")
            }
        }
        let mut around = around(&[]);
        around.providers.insert("m".into(), Arc::new(Nobody));
        let file = "project: x\nmodels:\n  m: { provider: openai_chat, base_url: =env.URL, model: big, max_tokens: 9, price: free }\n";
        let said = refusal(&[("surefoot.yaml", file)], &around);
        assert!(said.contains("needs the environment variable URL"), "{said}");
        for provider in ["provider: registered", "provider: scripted, answers: cases/none.yaml"] {
            let file = format!("project: x\nmodels: {{ m: {{ {provider} }} }}\n");
            let cases = ("cases/none.yaml", "[]\n");
            let (sources, project) = project(&[("surefoot.yaml", &file), cases]);
            assert!(Reach::new(&sources, &project, &around).is_ok(), "{provider}");
        }
    }

    #[test]
    fn what_is_there_is_set_up() {
        let around = around(&[("MAIL_URL", "http://127.0.0.1:1/v1")]).in_folder(Path::new("."));
        let (sources, project) = project(&[("tools/mail.yaml", HTTP), ("tools/notebook.yaml", NATIVE)]);
        let gateway = Reach::new(&sources, &project, &around).unwrap().gateway();
        assert!(gateway.has_tool("mail") && gateway.has_tool("notebook"));
        assert_eq!(base_url(&sources, &project.tools["mail"], &around).unwrap(), "http://127.0.0.1:1/v1");
    }

    #[test]
    fn mail_and_webhooks_are_set_up_from_their_files() {
        const LETTERS: &str = "tool: letters\nmail: { smtp: =env.SMTP_URL, from: a@shop.example }\n\
             operations: { send: { effect: at_most_once, to: =with.to, subject: Hi, text: Hi } }\n";
        const HOOK: &str = "tool: hook\nwebhook: { url: =env.HOOK_URL, secret: secret://hook }\n\
             operations: { tell: { effect: idempotent, type: a.b } }\n";
        let files = [("tools/letters.yaml", LETTERS), ("tools/hook.yaml", HOOK)];
        let both = &[("SMTP_URL", "smtp://localhost:1025"), ("HOOK_URL", "http://127.0.0.1:1/in")];
        let (sources, project) = project(&files);
        let gateway = Reach::new(&sources, &project, &around(both)).unwrap().gateway();
        assert!(gateway.has_tool("letters") && gateway.has_tool("hook"));
        assert_eq!(
            refusal(&files, &around(&both[1..])),
            "the tool `letters` (tools/letters.yaml) needs the environment variable SMTP_URL, which is not set"
        );
        let wrong = &[("SMTP_URL", "localhost:1025"), ("HOOK_URL", "http://127.0.0.1:1/in")];
        assert_eq!(refusal(&files, &around(wrong)), "the tool `letters` (tools/letters.yaml) cannot be set up");
    }

    #[test]
    fn a_model_is_set_up_from_the_project_file_and_the_environment() {
        let file = "project: x\nmodels:\n  m: { provider: openai_chat, base_url: =env.URL, model: big, max_tokens: 9, price: free }\n";
        let sources = [("surefoot.yaml", file)];
        assert_eq!(
            refusal(&sources, &around(&[])),
            "the model `m` needs the environment variable URL, which is not set"
        );
        assert_eq!(refusal(&sources, &around(&[("URL", "ftp://x")])), "the model `m` cannot be set up");
        let (sources, project) = project(&sources);
        let around = around(&[("URL", "http://127.0.0.1:1/v1")]);
        assert!(Reach::new(&sources, &project, &around).unwrap().gateway().has_model("m"));
        let project::Provider::Remote(decl) = &project.file.models["m"].provider else { panic!("{project:?}") };
        let spec = remote(&"m".into(), decl, &around).unwrap();
        assert_eq!((&*spec.base_url, &*spec.model, spec.max_tokens), ("http://127.0.0.1:1/v1", "big", 9));
    }

    #[test]
    fn a_public_service_needs_no_address() {
        let file = "project: x\nmodels:\n\
             \x20 a: { provider: anthropic, model: big, key: secret://anthropic, max_tokens: 9, effort: low, price: free }\n\
             \x20 g: { provider: gemini, model: big, key: secret://google, max_tokens: 9, price: free }\n\
             \x20 o: { provider: openai_responses, model: big, key: secret://openai, max_tokens: 9, price: free }\n";
        let (sources, project) = project(&[("surefoot.yaml", file)]);
        let gateway = Reach::new(&sources, &project, &around(&[])).unwrap().gateway();
        assert!(["a", "g", "o"].iter().all(|name| gateway.has_model(name)));
        let url = |name: &str| {
            let project::Provider::Remote(decl) = &project.file.models[name].provider else { panic!("{project:?}") };
            remote(&name.into(), decl, &around(&[])).unwrap().base_url
        };
        assert_eq!(&*url("a"), "https://api.anthropic.com/v1");
        assert_eq!(&*url("g"), "https://generativelanguage.googleapis.com/v1beta");
        assert_eq!(&*url("o"), "https://api.openai.com/v1");
    }

    #[test]
    fn variables_are_the_names_after_env() {
        let text = "http: { base_url: \"{{ env.HOST }}/{{ env.A_1 }}\" } # env.NOT\n# env.NOR\npath: /myenv.x\n";
        assert_eq!(variables(text).into_iter().collect::<Vec<_>>(), ["A_1", "HOST"]);
    }
}
