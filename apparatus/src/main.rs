//! `apparatus`: one subcommand per instrument.

use std::process::ExitCode;

use apparatus::victim::{Trouble, whole};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "apparatus", about = "Test apparatus: what the outside world did and saw. Never shipped.")]
struct Arguments {
    #[command(subcommand)]
    instrument: Instrument,
}

#[derive(Subcommand)]
enum Instrument {
    /// Serve an external effects ledger.
    Ledgerd(apparatus::ledgerd::Arguments),
    /// Serve a model: scripted, chaotic, or obedient to whatever is injected.
    Mockllm(apparatus::mockllm::Arguments),
    /// Accept mail, keep it in a file, and deliver nothing.
    SmtpSink(apparatus::smtp::Arguments),
    /// Start and drive runs in one process: the one that is killed.
    Victim(apparatus::victim::Arguments),
    /// Start runs that share a limit, in one process: the one that `spend` kills.
    Spender(apparatus::spend::spender::Arguments),
    /// Want two hundred calls where there is room for ten, with deaths in between.
    Spend(apparatus::spend::Arguments),
    /// Kill such a process at random moments, and judge it after every death.
    Kill(apparatus::kill::Arguments),
    /// Switch on each known mistake: the harness must notice.
    Mutants(apparatus::mutants::Arguments),
    /// Let the process die, or its writes fail, at every write and every fsync of one run.
    Syscalls(apparatus::syscalls::Arguments),
    /// Let the process die, fail or stand still in each named window of a crash, with actions of each class.
    Windows(apparatus::windows::Arguments),
    /// Let servers say secrets back in every form, and look for them wherever anything was written.
    Canaries(apparatus::canaries::Arguments),
    /// The command line of Surefoot, in a process that `canaries` starts.
    Cli(apparatus::canaries::Line),
    /// Decide the same approvals again and again at once: only what was agreed to happens, and once.
    Races(apparatus::races::Arguments),
    /// Let an owner stand still in the middle of a call while another one takes its run, and go on.
    Zombies(apparatus::zombies::Arguments),
    /// Start it where it cannot work: a full disk, a read-only folder, a directory that is taken.
    Badland(apparatus::badland::Arguments),
    /// Play recorded sequences of a shop's customer service through the governed path.
    Retail(apparatus::retail::Arguments),
    /// Let a model that obeys every injection loose on a project that labels what comes in.
    Injections(apparatus::injections::Arguments),
    /// Let real MCP servers be tools of a project, and change what they say.
    Mcp(apparatus::mcp::Arguments),
    /// Play both applications against a server that speaks four dialects, and let three of ten of its answers go wrong.
    Applications(apparatus::applications::Arguments),
    /// Take a picture of every page of both applications, on a desktop, on a phone and in the dark.
    Pictures(apparatus::pictures::Arguments),
}

fn main() -> ExitCode {
    // Started again as a sandbox: before anything else, while there is one thread.
    let words: Vec<_> = std::env::args_os().collect();
    if let Some(code) = gateway::tool::command::sandbox::main(&words) {
        std::process::exit(code);
    }
    driven()
}

#[tokio::main]
async fn driven() -> ExitCode {
    let done = match Arguments::parse().instrument {
        Instrument::Ledgerd(arguments) => apparatus::ledgerd::run(arguments).await.map_err(Trouble::from),
        Instrument::Mockllm(arguments) => apparatus::mockllm::run(arguments).await.map_err(Trouble::from),
        Instrument::SmtpSink(arguments) => apparatus::smtp::run(arguments).await.map_err(Trouble::from),
        Instrument::Victim(arguments) => apparatus::victim::run(arguments).await,
        Instrument::Spender(arguments) => apparatus::spend::spender::run(arguments).await,
        Instrument::Spend(arguments) => apparatus::spend::run(arguments).await,
        Instrument::Kill(arguments) => apparatus::kill::run(arguments).await,
        Instrument::Mutants(arguments) => apparatus::mutants::run(arguments).await,
        Instrument::Syscalls(arguments) => apparatus::syscalls::run(arguments).await,
        Instrument::Windows(arguments) => apparatus::windows::run(arguments).await,
        Instrument::Canaries(arguments) => apparatus::canaries::run(arguments).await,
        Instrument::Cli(line) => apparatus::canaries::line(line),
        Instrument::Races(arguments) => apparatus::races::run(arguments).await,
        Instrument::Zombies(arguments) => apparatus::zombies::run(arguments).await,
        Instrument::Badland(arguments) => apparatus::badland::run(arguments).await,
        Instrument::Retail(arguments) => apparatus::retail::run(arguments).await,
        Instrument::Injections(arguments) => apparatus::injections::run(arguments).await,
        Instrument::Mcp(arguments) => apparatus::mcp::run(arguments).await,
        Instrument::Applications(arguments) => apparatus::applications::run(arguments).await,
        Instrument::Pictures(arguments) => apparatus::pictures::run(arguments).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the one place where the binary says why it ends")]
            {
                eprintln!("{}", whole(&*error));
            }
            ExitCode::FAILURE
        }
    }
}
