//! The command line's reference, from its definition: the comments there are the text here.

use clap::{Arg, Command};

use super::HEADER;

/// All commands, in the order of `--help`.
pub(super) fn page() -> String {
    let mut root = surefoot::cli::command();
    root.build();
    let mut page = format!(
        "{HEADER}# The command line\n\n{}\n\nEvery command takes:\n\n{}\nHow a command ends is said by its [exit code](errors.md).\n",
        about(&root),
        table(root.get_arguments())
    );
    for command in root.get_subcommands_mut() {
        section(command, &mut page);
    }
    page
}

fn section(command: &mut Command, page: &mut String) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let arguments = table(command.get_arguments().filter(|argument| !argument.is_global_set()));
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    page.push_str(&format!("\n## {name}\n\n{}\n\n```text\n{usage}\n```\n", about(command)));
    if !arguments.is_empty() {
        page.push_str(&format!("\n{arguments}"));
    }
    for below in command.get_subcommands_mut() {
        section(below, page);
    }
}

fn about(command: &Command) -> String {
    let text = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let stop = if first.is_empty() || first.ends_with(['.', ':', '?']) { "" } else { "." };
    format!("{first}{stop}\n{rest}").trim_end().to_owned()
}

fn table<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let rows: Vec<String> = arguments
        .filter(|argument| !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str()))
        .map(row)
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("| argument | what it does | default |\n| --- | --- | --- |\n{}", rows.concat())
}

fn row(argument: &Arg) -> String {
    let value =
        argument.get_value_names().map(|names| names.join(" ")).filter(|_| argument.get_action().takes_values());
    let mut written = Vec::new();
    if let Some(short) = argument.get_short() {
        written.push(format!("-{short}"));
    }
    if let Some(long) = argument.get_long() {
        written.push(format!("--{long}"));
    }
    let mut written = written.join(", ");
    if let Some(value) = value {
        let apart = if written.is_empty() { "" } else { " " };
        written.push_str(&format!("{apart}<{value}>"));
    }
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut choices = Vec::new();
    if argument.get_action().takes_values() && !argument.is_hide_possible_values_set() {
        choices = argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    }
    let choices = if choices.is_empty() { String::new() } else { format!(" One of {}", choices.join(", ")) };
    let stop = if choices.is_empty() || help.ends_with('.') { "" } else { "." };
    let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let default = match (argument.get_action().takes_values(), defaults.is_empty()) {
        (true, false) => format!("`{}`", defaults.join(" ")),
        _ => String::new(),
    };
    let help = format!("{help}{stop}{choices}").split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    format!("| `{written}` | {help} | {default} |\n")
}
