use std::{
    fs, io,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use kernel::{
    complaint::{Complaint, Severity},
    workflow::project::Sources,
};
use runtime::{Random as _, SystemRandom};
use serde_json::json;
use store::sqlite::SqliteStore;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use web::{Files, Served, Server, Sessions, Site};

use super::{
    Scene, check,
    copies::Copies,
    out::{BAD, FAINT, GOOD, STRONG, WAIT, count, paint},
    run::{self, Plan},
    session::{self, Data, Detach, Driver},
};
use crate::{
    Surefoot,
    case::Setting,
    error::CliError,
    exit::Exit,
    pages::{Beside, Place},
    project,
};

/// How often the files are looked at.
const GLANCE: Duration = Duration::from_millis(400);

/// The file of the token that programs bring, in a data directory.
const TOKEN: &str = "api.token";

/// Show projects to a browser, drive their runs, and take up what is saved
///
/// Prints a link that lets one browser in, once; after it was used, the next one. Only this machine is served. When a file is saved, what
/// `check` says of it appears here and on the page at once, and new runs use it as soon as it has no error; runs that have begun keep
/// their version. Programs bring the token of the file `api.token` in the data directory.
#[derive(Clone, Debug, Args)]
pub(super) struct Dev {
    /// The folders of the projects
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: Vec<PathBuf>,
    /// The port; 0 takes one that is free
    #[arg(long, value_name = "PORT", default_value_t = 4646)]
    port: u16,
    /// The profile of surefoot.yaml to use, or `none` [default: SUREFOOT_PROFILE, else that of `profile:`]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    #[command(flatten)]
    data: Data,
}

/// A project that is served.
struct House {
    folder: PathBuf,
    dir: PathBuf,
    profile: Option<String>,
    store: Arc<SqliteStore>,
    site: Site,
    driver: Option<Driver>,
    beside: Option<Companion>,
    /// What was read last, usable or not.
    seen: Result<Sources, String>,
}

/// How long what an application does beside its pages may take to end.
const GRACE: Duration = Duration::from_secs(3);

/// What an application does beside its pages, while they are served. Files that are saved change nothing of it.
struct Companion {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Companion {
    fn begin(beside: Beside) -> Companion {
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(beside(Box::pin(async {
            // Sent or dropped: it ends.
            let _ = stopped.await;
        })));
        Companion { stop, task }
    }

    async fn end(mut self) {
        // Nobody listens any more: it has ended already.
        let _ = self.stop.send(());
        if tokio::time::timeout(GRACE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Dev {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        if self.folder.len() > 1 && self.data.data.is_some() {
            let error = CliError::usage("`--data` is one directory, and each project has its own");
            return Err(error.hint("leave it out, or name one folder"));
        }
        scene.block_on(self.serve(scene))
    }

    async fn serve(self, scene: &Scene) -> Result<Exit, CliError> {
        let alone = self.folder.len() == 1;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listener = TcpListener::bind(address).await.map_err(|error| {
            CliError::io(format!("{address} cannot be listened on"), error)
                .hint("take another port: `--port 0` takes a free one")
        })?;
        let address = listener.local_addr().map_err(|error| CliError::io("the server has no address", error))?;
        let mut houses = Vec::new();
        for folder in &self.folder {
            houses.push(House::open(scene, folder, &self, alone).await?);
        }
        let token = token(&houses.first().map(|house| house.dir.clone()).unwrap_or_default())?;
        let sessions = Sessions::new(Arc::new(SystemRandom), Some(&token));
        let sites: Vec<Site> = houses.iter().map(|house| house.site.clone()).collect();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(sites, sessions.clone());
        let server = tokio::spawn(server.serve(listener, async {
            // Sent or dropped: it ends.
            let _ = stopped.await;
        }));
        let link = |sessions: &Sessions| format!("http://{address}/enter?token={}", sessions.link());
        tell_begin(scene, &houses, address, &link(&sessions));
        let mut server = server;
        let mut looks = tokio::time::interval(GLANCE);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let interrupted = session::interrupted();
        tokio::pin!(interrupted);
        let ended = loop {
            tokio::select! {
                () = &mut interrupted => break Ok(()),
                ended = &mut server => break served(ended),
                () = sessions.entered() => tell_link(scene, &link(&sessions)),
                _ = looks.tick() => {
                    let mut failed = None;
                    for house in &mut houses {
                        if let Err(error) = house.look(scene).await {
                            failed = Some(error);
                            break;
                        }
                    }
                    if let Some(error) = failed {
                        break Err(error);
                    }
                }
            }
        };
        scene.out.aside("stopping: what is open gets a while to answer");
        // Nobody listens any more: the server has ended already.
        let _ = stop.send(());
        if !server.is_finished() {
            // A browser that keeps its connection does not keep us.
            let _ = tokio::time::timeout(Duration::from_secs(3), &mut server).await;
        }
        for house in &mut houses {
            if let Some(beside) = house.beside.take() {
                beside.end().await;
            }
            if let Some(driver) = house.driver.take() {
                driver.end().await?;
            }
        }
        ended.map(|()| Exit::Ok)
    }
}

fn served(ended: Result<Result<(), web::ServeError>, tokio::task::JoinError>) -> Result<(), CliError> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(CliError::usage(error.to_string())),
        Err(error) => Err(CliError::internal("the server panicked").caused_by(error)),
    }
}

impl House {
    async fn open(scene: &Scene, folder: &Path, dev: &Dev, alone: bool) -> Result<House, CliError> {
        let (sources, project) = check::checked(scene, folder)?;
        let dir = dev.data.dir(folder);
        let base = if alone { String::new() } else { format!("/{}", project.file.name) };
        let plan = Plan {
            folder: folder.to_owned(),
            dir: dir.clone(),
            sources: sources.clone(),
            project,
            wanted: None,
            detach: Detach::Auto,
            profile: dev.profile.clone(),
        };
        let store = plan.open()?;
        let (served, driver) = begin(scene, &plan, store.clone()).await?;
        let site = Site::new(base, served);
        let mut beside = None;
        if let Some(pages) = &scene.application.pages {
            let place = Place {
                site: site.clone(),
                folder: plan.folder.clone(),
                sources: sources.clone(),
                project: plan.project.clone(),
                environment: scene.environment.clone(),
            };
            let own = pages(place).await.map_err(|error| {
                let said = CliError::usage(error.to_string());
                std::error::Error::source(&error).map(ToString::to_string).into_iter().fold(said, CliError::hint)
            })?;
            beside = own.take_beside().map(Companion::begin);
            site.bring(own);
        }
        site.look(Files {
            complaints: kernel::workflow::project::check(&sources).complaints,
            sources: sources.clone(),
        });
        let (folder, profile) = (plan.folder, plan.profile);
        Ok(House { folder, dir, profile, store, site, driver: Some(driver), beside, seen: Ok(sources) })
    }

    /// Looks at the files; what has changed is told, and taken up unless it has errors.
    async fn look(&mut self, scene: &Scene) -> Result<(), CliError> {
        if self.beside.as_ref().is_some_and(|beside| beside.task.is_finished()) {
            return Err(CliError::internal("what the application does beside its pages has ended by itself"));
        }
        let folder = self.folder.clone();
        let read = tokio::task::spawn_blocking(move || project::read(&folder, true)).await;
        let read = read.map_err(|error| CliError::internal("reading the files panicked").caused_by(error))?;
        let read = read.map_err(|error| CliError::from(error).message);
        if read == self.seen {
            return Ok(());
        }
        let sources = match &read {
            Ok(sources) => sources.clone(),
            Err(why) => {
                tell_unreadable(scene, &self.site.name(), why);
                self.seen = read;
                return Ok(());
            }
        };
        let changed = changed(self.seen.as_ref().ok(), &sources);
        self.seen = read;
        let checked = project::check(&sources);
        tell_saved(scene, &self.site.name(), &changed, &checked.complaints, &sources);
        self.site.look(Files { complaints: checked.complaints, sources: sources.clone() });
        let Some(project) = checked.project else { return Ok(()) };
        // One worker at a time owns the data: the old one leaves in good order, its runs go on with the new one.
        if let Some(driver) = self.driver.take() {
            driver.end().await?;
        }
        let plan = Plan {
            folder: self.folder.clone(),
            dir: self.dir.clone(),
            sources,
            project,
            wanted: None,
            detach: Detach::Auto,
            profile: self.profile.clone(),
        };
        match begin(scene, &plan, self.store.clone()).await {
            Ok((served, driver)) => {
                self.site.replace(served);
                self.driver = Some(driver);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Everything that serves a version of a project.
async fn begin(scene: &Scene, plan: &Plan, store: Arc<SqliteStore>) -> Result<(Served, Driver), CliError> {
    let surefoot = run::build(scene, plan, store, None)?;
    surefoot.deploy().await?;
    let driver = Driver::begin(&surefoot);
    let natives = (scene.application.with)(Surefoot::builder()).natives();
    let setting = Setting::new(surefoot.sources().clone(), surefoot.project().clone(), natives);
    let copies = Copies {
        store: surefoot.runtime().store().clone(),
        setting: setting.map(Arc::new),
        folder: plan.folder.clone(),
        anchors: session::anchors(scene, &plan.dir).path().to_owned(),
    };
    let key = scene.application.key.clone();
    let served = Served {
        runtime: surefoot.runtime().clone(),
        project: surefoot.project().clone(),
        sources: surefoot.sources().clone(),
        start_key: Arc::new(move |workflow, input| key(workflow, input)),
        copies: Some(Arc::new(copies)),
    };
    Ok((served, driver))
}

/// The token of a data directory: made once, readable by its owner alone.
fn token(dir: &Path) -> Result<String, CliError> {
    let path = dir.join(TOKEN);
    let failed = |error| CliError::io(format!("{} cannot be used", path.display()), error);
    match fs::read_to_string(&path) {
        Ok(token) if token.trim().len() == 64 => return Ok(token.trim().to_owned()),
        Ok(_) => {
            let error = CliError::usage(format!("{} holds no token", path.display()));
            return Err(error.hint("remove the file: the next start makes a new one"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let mut bytes = [0; 32];
    SystemRandom.fill(&mut bytes);
    let token = hex::encode(bytes);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&path).and_then(|mut file| writeln!(file, "{token}")).map_err(failed)?;
    Ok(token)
}

/// Files whose text is another one now, or that are new or gone.
fn changed(before: Option<&Sources>, now: &Sources) -> Vec<String> {
    let Some(before) = before else { return now.files.keys().map(ToString::to_string).collect() };
    let new = now.files.iter().filter(|(name, text)| before.get(name) != Some(*text)).map(|(name, _)| name.to_string());
    let gone = before.files.iter().filter(|(name, _)| now.get(name).is_none()).map(|(name, _)| name.to_string());
    new.chain(gone).collect()
}

fn tell_begin(scene: &Scene, houses: &[House], address: SocketAddr, link: &str) {
    if scene.out.json {
        let projects = houses.iter().map(|house| json!({ "project": house.site.name(), "base": house.site.base() }));
        let projects = projects.collect::<Vec<_>>();
        scene
            .out
            .object(&json!({ "kind": "serving", "address": address.to_string(), "link": link, "projects": projects }));
        return;
    }
    let names: Vec<String> = houses.iter().map(|house| house.site.name().to_string()).collect();
    scene.out.line(format!("{} {}", paint(GOOD, "serving"), paint(STRONG, names.join(", "))));
    scene.out.line(format!("  open     {link}"));
    let tokens = houses.first().map(|house| house.dir.join(TOKEN).display().to_string()).unwrap_or_default();
    scene.out.line(format!("  {}", paint(FAINT, format!("programs http://{address}/api/v1, token in {tokens}"))));
    scene.out.line(format!("  {}", paint(FAINT, "stop     Ctrl-C")));
}

fn tell_link(scene: &Scene, link: &str) {
    if scene.out.json {
        scene.out.object(&json!({ "kind": "link", "link": link }));
    } else {
        scene.out.line(format!("{} another browser: {link}", paint(FAINT, "a browser has come in;")));
    }
}

fn tell_unreadable(scene: &Scene, project: &str, why: &str) {
    if scene.out.json {
        scene.out.object(&json!({ "kind": "unreadable", "project": project, "why": why }));
    } else {
        scene.out.line(format!("{} {project}: {why}", paint(BAD, "unreadable")));
    }
}

fn tell_saved(scene: &Scene, project: &str, changed: &[String], complaints: &[Complaint], sources: &Sources) {
    let errors = complaints.iter().filter(|complaint| complaint.severity == Severity::Error).count() as u64;
    let warnings = complaints.len() as u64 - errors;
    if scene.out.json {
        let found = complaints.iter().map(ToString::to_string).collect::<Vec<_>>();
        scene.out.object(&json!({
            "kind": "saved", "project": project, "files": changed, "errors": errors, "warnings": warnings, "complaints": found,
        }));
        return;
    }
    for complaint in complaints {
        scene.out.line(check::rendered(complaint, sources));
    }
    let files = changed.join(", ");
    let says = match (errors, warnings) {
        (0, 0) => paint(GOOD, "no complaints; new runs use it".to_owned()).to_string(),
        (0, _) => paint(WAIT, format!("{}; new runs use it", count(warnings, "warning"))).to_string(),
        _ => paint(BAD, format!("{}; new runs use the version before", count(errors, "error"))).to_string(),
    };
    scene.out.line(format!("{} {files}: {says}", paint(FAINT, format!("{project} saved"))));
}
