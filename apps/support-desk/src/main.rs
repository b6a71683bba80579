//! The program `support-desk`: the whole command line of Surefoot for this project, and `fit`, `measure` and `seed`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use support_desk::{
    fit,
    mailroom::{Kept, Mailroom},
    measure, natives, seed, told,
};
use surefoot::cli::Application;

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let system = |name: &str| std::env::var(name).ok();
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
            let made = if matches!(word, Some("run" | "dev")) {
                seed::load(&folder(&args[2..]), seed::NUMBER).err()
            } else {
                None
            };
            match made {
                Some(error) => done(Err(error)),
                None => {
                    let mailroom = Mailroom::new(data(&args).join("mail"));
                    let ours = system("SMTP_URL").is_none() && is_demo(&args, system("SUREFOOT_PROFILE"));
                    let kept = if ours { Some(mailroom.kept()) } else { system("MAIL_FOLDER").map(Kept::in_folder) };
                    // Where nobody names a mail server, the demonstration is one itself.
                    let environment = move |name: &str| match name {
                        "SMTP_URL" if ours => mailroom.url(),
                        name => system(name),
                    };
                    application(kept).main(args, Arc::new(environment))
                }
            }
        }
    };
    ExitCode::from(u8::try_from(code).unwrap_or(70))
}

fn application(kept: Option<Kept>) -> Application {
    let looked = kept.clone();
    Application::new("support-desk")
        .called("cargo run -p support-desk --")
        .project(project())
        .with(move |builder| natives::register(builder, looked.clone()))
        .start_key(|workflow, input| (workflow == "support-email").then(|| natives::start_key(input)).flatten())
        .tell(move |told| told::lines(told, kept.as_ref()))
}

/// The project's folder that stands among the arguments, or ours.
fn folder(args: &[OsString]) -> PathBuf {
    let given = args.iter().map(Path::new).find(|path| path.join("surefoot.yaml").is_file());
    given.map_or_else(project, Path::to_owned)
}

/// The data directory, as the command line takes it.
fn data(args: &[OsString]) -> PathBuf {
    option(args, "--data").map_or_else(|| folder(args).join(".surefoot"), PathBuf::from)
}

/// Whether the profile that counts is `demo`: that of the command, of the environment, or of `surefoot.yaml`.
fn is_demo(args: &[OsString], environment: Option<String>) -> bool {
    let written = || {
        let file = std::fs::read_to_string(folder(args).join("surefoot.yaml")).ok()?;
        file.lines().find_map(|line| Some(line.strip_prefix("profile:")?.trim().to_owned()))
    };
    let given = option(args, "--profile").map(|name| name.to_string_lossy().into_owned());
    given.or(environment.filter(|name| !name.is_empty())).or_else(written).is_some_and(|name| name == "demo")
}

/// The value of `--name value` or `--name=value`.
fn option(args: &[OsString], name: &str) -> Option<OsString> {
    let inline = |arg: &OsString| arg.to_str()?.strip_prefix(name)?.strip_prefix('=').map(OsString::from);
    args.iter().enumerate().find_map(|(at, arg)| if arg == name { args.get(at + 1).cloned() } else { inline(arg) })
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
