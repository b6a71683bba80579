//! `cargo run -p xtask -- tidy` checks the house rules; `cargo run -p xtask -- generate` writes the pages that come from the code.

use std::process::ExitCode;

use xtask::{generate, house::House, tidy};

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let done = match asked.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy(),
        ["generate"] => generate(),
        _ => Err("usage: cargo run -p xtask -- tidy | generate".into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say_wrong(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn tidy() -> Result<bool, Box<dyn std::error::Error>> {
    let house = House::here()?;
    let mut clean = true;
    for rule in tidy::RULES {
        let found = (rule.check)(&house);
        for note in &found.notes {
            say(&format!("{}: {note}", rule.name));
        }
        for finding in &found.findings {
            clean = false;
            say_wrong(&format!("{finding}\n    rule {}: {}", rule.name, rule.holds));
        }
    }
    if clean {
        say(&format!("{} rules hold", tidy::RULES.len()));
    }
    Ok(clean)
}

fn generate() -> Result<bool, Box<dyn std::error::Error>> {
    let house = House::here()?;
    for page in generate::PAGES {
        let text = (page.write)();
        if house.tree.text(page.path) == Some(text.as_str()) {
            say(&format!("{} is fresh", page.path));
            continue;
        }
        let path = house.root.join(page.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, text)?;
        say(&format!("{} written", page.path));
    }
    Ok(true)
}

#[expect(clippy::print_stdout, reason = "a tool of the terminal")]
fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "a tool of the terminal")]
fn say_wrong(line: &str) {
    eprintln!("{line}");
}
