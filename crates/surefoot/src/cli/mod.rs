//! The commands, one file each. What a command decides stands elsewhere; here are arguments, words and exit codes.

mod application;
mod approvals;
mod bench;
mod budget;
mod cache;
mod check;
mod completions;
mod context;
mod copies;
mod crash;
mod db;
mod dev;
mod diff;
mod effects;
mod evidence;
mod fmt;
mod graph;
mod hold;
mod init;
mod models;
pub(crate) mod out;
mod outbox;
mod policy;
mod rehearse;
mod run;
mod runs;
mod session;
mod test;
mod tools;
mod work;

use std::{ffi::OsString, future::Future, path::PathBuf};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use gateway::secret::Lookup;

pub use self::application::{Application, Told};
use self::out::{BAD, Color, Out, WAIT, paint};
use crate::{error::CliError, exit::Exit};

/// The model reasons. Surefoot governs.
///
/// Surefoot runs AI workflows that a business can depend on. A project is a folder of readable files; `init` makes one.
#[derive(Debug, Parser)]
#[command(name = "surefoot", version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
struct Global {
    /// Print JSON: one object, or one a line
    #[arg(long, global = true)]
    json: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    color: Color,
    /// Print results and errors only
    #[arg(short, long, global = true)]
    quiet: bool,
    /// What to log to standard error, as in `info` or `runtime=debug` [default: SUREFOOT_LOG, else nothing]
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Check(check::Check),
    Fmt(fmt::Fmt),
    Graph(graph::Graph),
    Diff(diff::Diff),
    Context(context::Context),
    Policy(policy::Policy),
    Test(test::Test),
    Rehearse(rehearse::Rehearse),
    Run(run::Run),
    Dev(dev::Dev),
    Runs(runs::Runs),
    Approvals(approvals::Approvals),
    Work(work::Work),
    Effects(effects::Effects),
    Models(models::Models),
    Cache(cache::Cache),
    Tools(tools::Tools),
    Outbox(outbox::Outbox),
    Budget(budget::Budget),
    Hold(hold::Hold),
    Release(hold::Release),
    Evidence(evidence::Evidence),
    Db(db::Db),
    Bench(bench::Bench),
    Completions(completions::Completions),
}

/// What a command is given.
pub(crate) struct Scene {
    pub out: Out,
    pub environment: Lookup,
    pub application: Application,
}

/// The whole command line: for generated pages and shell completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs one command line, `args` with the program's name first, and gives the exit code. `environment` looks up variables: the
/// binary's main function is the one place that reads the process's own.
pub fn main(args: impl IntoIterator<Item = OsString>, environment: Lookup) -> i32 {
    run(Application::new("surefoot"), args, environment)
}

fn run(application: Application, args: impl IntoIterator<Item = OsString>, environment: Lookup) -> i32 {
    let args: Vec<OsString> = args.into_iter().collect();
    // Started again to confine itself and then run a command: before anything else, while there is one thread.
    if let Some(code) = gateway::tool::command::sandbox::main(&args) {
        return code;
    }
    let wants_json = args.iter().any(|arg| arg == "--json");
    let parsed = application.command().try_get_matches_from(args);
    let cli = match parsed.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way as well, to standard output. A reader that has gone is no error.
            if wants_json && error.use_stderr() {
                let text = error.render().to_string();
                let lines = text.trim_start_matches("error: ").lines().map(str::trim);
                let said = lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
                let said: Vec<&str> = said.filter(|line| !line.is_empty()).collect();
                report(&Out::new(true, true, Color::Never), &CliError::usage(said.join(" ")));
            } else {
                let _ = error.print();
            }
            return error.exit_code();
        }
    };
    let Global { json, color, quiet, log } = cli.global;
    let scene = Scene { out: Out::new(json, quiet, color), environment, application };
    let done = start_log(log.or_else(|| (scene.environment)("SUREFOOT_LOG"))).and_then(|()| match cli.command {
        Command::Init(command) => command.run(&scene),
        Command::Check(command) => command.run(&scene),
        Command::Fmt(command) => command.run(&scene),
        Command::Graph(command) => command.run(&scene),
        Command::Diff(command) => command.run(&scene),
        Command::Context(command) => command.run(&scene),
        Command::Policy(command) => command.run(&scene),
        Command::Test(command) => command.run(&scene),
        Command::Rehearse(command) => command.run(&scene),
        Command::Run(command) => command.run(&scene),
        Command::Dev(command) => command.run(&scene),
        Command::Runs(command) => command.run(&scene),
        Command::Approvals(command) => command.run(&scene),
        Command::Work(command) => command.run(&scene),
        Command::Effects(command) => command.run(&scene),
        Command::Models(command) => command.run(&scene),
        Command::Cache(command) => command.run(&scene),
        Command::Tools(command) => command.run(&scene),
        Command::Outbox(command) => command.run(&scene),
        Command::Budget(command) => command.run(&scene),
        Command::Hold(command) => command.run(&scene),
        Command::Release(command) => command.run(&scene),
        Command::Evidence(command) => command.run(&scene),
        Command::Db(command) => command.run(&scene),
        Command::Bench(command) => command.run(&scene),
        Command::Completions(command) => command.run(&scene),
    });
    let done = done.and_then(|exit| match scene.out.failure() {
        None => Ok(exit),
        Some(error) => {
            let error = CliError::io("standard output cannot be written", error);
            Err(CliError { kind: Exit::Disk, ..error })
        }
    });
    match done {
        Ok(exit) => exit.code(),
        Err(error) => {
            report(&scene.out, &error);
            error.kind.code()
        }
    }
}

fn report(out: &Out, error: &CliError) {
    if out.json {
        out.alarm(out::sorted(error.to_json()));
        return;
    }
    let mut text = format!("{} {}", paint(BAD, "error:"), error.message);
    for cause in error.causes() {
        text.push_str(&format!("\n  because: {}", out::plain(&cause)));
    }
    for hint in &error.hints {
        text.push_str(&format!("\n  {} {hint}", paint(WAIT, "try:")));
    }
    out.alarm(text);
}

fn start_log(filter: Option<String>) -> Result<(), CliError> {
    let Some(filter) = filter.filter(|filter| !filter.is_empty()) else { return Ok(()) };
    let parsed = tracing_subscriber::EnvFilter::try_new(&filter).map_err(|error| {
        CliError::usage(format!("`{filter}` is no log filter"))
            .caused_by(error)
            .hint("a level (`info`), or a level for a crate (`runtime=debug,store=info`)")
    })?;
    // A second call within one process (a test) keeps the first subscriber.
    let _ = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr).with_ansi(false).try_init();
    Ok(())
}

impl Scene {
    /// Drives `work` to its end on a runtime of its own.
    fn block_on<T>(&self, work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| CliError::io("the threads that do the work cannot be started", error))?;
        let done = runtime.block_on(work);
        // A tool that hangs must not keep the process.
        runtime.shutdown_background();
        done
    }
}

/// Where the project is.
#[derive(Clone, Debug, Args)]
struct Folder {
    /// The project's folder
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}
