//! The program `support-desk`: the whole command line of Surefoot for this project, and `fit`, `measure` and `seed`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use support_desk::{fit, measure, natives, seed, told};
use surefoot::cli::Application;

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let environment = Arc::new(|name: &str| std::env::var(name).ok());
    let args: Vec<_> = std::env::args_os().collect();
    let code = match args.get(1).and_then(|word| word.to_str()) {
        Some("fit") => done(fit::fit(&folder(&args[2..])).and_then(|fitted| {
            fit::write(&folder(&args[2..]), &fitted)?;
            Ok(fitted.says)
        })),
        Some("measure") => measure::main(&args[2..], &project()),
        Some("seed") => done(seed::load(&folder(&args[2..]), seed::NUMBER).map(|made| match made {
            true => "desk.db is made".to_owned(),
            false => "desk.db is there already: it stays as it is".to_owned(),
        })),
        word => {
            // The first run of the demonstration has a desk to work on.
            let made = if word == Some("run") { seed::load(&folder(&args[2..]), seed::NUMBER).err() } else { None };
            match made {
                Some(error) => done(Err(error)),
                None => application().main(args, environment),
            }
        }
    };
    ExitCode::from(u8::try_from(code).unwrap_or(70))
}

fn application() -> Application {
    Application::new("support-desk")
        .called("cargo run -p support-desk --")
        .project(project())
        .with(natives::register)
        .start_key(|workflow, input| (workflow == "support-email").then(|| natives::start_key(input)).flatten())
        .tell(told::lines)
}

/// The project's folder that stands among the arguments, or ours.
fn folder(args: &[OsString]) -> PathBuf {
    let given = args.iter().map(Path::new).find(|path| path.join("surefoot.yaml").is_file());
    given.map_or_else(project, Path::to_owned)
}

/// The project's folder: from the workspace's folder as people type it, from elsewhere where it was built.
fn project() -> PathBuf {
    let typed = PathBuf::from("apps/support-desk");
    if typed.join("surefoot.yaml").is_file() { typed } else { PathBuf::from(env!("CARGO_MANIFEST_DIR")) }
}

fn done(said: Result<String, String>) -> i32 {
    match said {
        Ok(said) => {
            say(&said);
            0
        }
        Err(error) => {
            complain(&format!("error: {error}"));
            70
        }
    }
}

#[expect(clippy::print_stdout, reason = "what was done is what it is for")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the one place where it complains")]
fn complain(text: &str) {
    eprintln!("{text}");
}
