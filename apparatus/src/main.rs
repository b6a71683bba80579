//! `apparatus`: one subcommand per instrument.

use std::process::ExitCode;

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
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().instrument {
        Instrument::Ledgerd(arguments) => apparatus::ledgerd::run(arguments).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the one place where the binary says why it ends")]
            {
                eprintln!("{error}");
            }
            ExitCode::FAILURE
        }
    }
}
