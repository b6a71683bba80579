//! The program `crm-leads`: the whole command line of Surefoot for this project, and `measure`.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use crm_leads::{batch, measure, natives, pages, told};
use surefoot::cli::Application;

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let environment = Arc::new(|name: &str| std::env::var(name).ok());
    let args: Vec<_> = std::env::args_os().collect();
    let code = match args.get(1).and_then(|word| word.to_str()) {
        Some("measure") => measure::main(&args[2..], &project()),
        Some(batch::CHILD) => batch::child(&args[2..], environment),
        _ => Application::new("crm-leads")
            .called("cargo run -p crm-leads --")
            .project(project())
            .with(natives::register)
            .start_key(|workflow, input| (workflow == "enrich").then(|| natives::start_key(input)).flatten())
            .tell(told::lines)
            .pages(pages::pages)
            .main(args, environment),
    };
    ExitCode::from(u8::try_from(code).unwrap_or(70))
}

/// The project's folder: from the workspace's folder as people type it, from elsewhere where it was built.
fn project() -> PathBuf {
    let typed = PathBuf::from("apps/crm-leads");
    if typed.join("surefoot.yaml").is_file() { typed } else { PathBuf::from(env!("CARGO_MANIFEST_DIR")) }
}
