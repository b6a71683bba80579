//! Pages of `docs/` that are written from the code. `tests/tidy.rs` fails when one is stale.

mod cli;

use std::fmt::Write as _;

use kernel::{
    complaint,
    recovery::{self, Failure, FailureKind, Phase, Recovery},
};

/// One generated page.
pub struct Page {
    /// Where it stands.
    pub path: &'static str,
    /// Writes it whole.
    pub write: fn() -> String,
}

/// All of them.
pub const PAGES: &[Page] = &[
    Page { path: "docs/checks.md", write: checks },
    Page { path: "docs/cli.md", write: cli::page },
    Page { path: "docs/errors.md", write: errors },
    Page { path: "docs/failures.md", write: failures },
    Page { path: "docs/openapi.json", write: web::document },
];

const HEADER: &str = "<!-- Generated: cargo run -p xtask -- generate. Edit the source instead. -->\n\n";

/// What can be wrong in a project's files, one heading for each id, so that a link can lead to it.
fn checks() -> String {
    let mut page = format!(
        "{HEADER}# Checks\n\n\
         What can be wrong in the files of a project. A complaint gives its id, the file, the line and the column, and what to try.\n"
    );
    for (id, title, explanation) in complaint::ALL {
        write!(page, "\n## {id}\n\n**{title}.** {explanation}\n").expect("a String takes every write");
    }
    page
}

/// The exit codes of every command.
fn errors() -> String {
    let mut page = format!(
        "{HEADER}# Exit codes and errors\n\n\
         Every command ends with one of these. With `--json` an error is one object on standard error, and its kind is the name. The \
         message names the thing; `hint` says what to try.\n\n\
         | code | name | what it means |\n| --- | --- | --- |\n"
    );
    for (code, name, meaning) in surefoot::exit::ALL {
        writeln!(page, "| {code} | `{name}` | {meaning} |").expect("a String takes every write");
    }
    page.push_str(
        "\nWhat is wrong in a project's files has ids of its own: [checks](checks.md). Why a step of a run failed is said by its kind: \
         [failure kinds](failures.md).\n",
    );
    page
}

/// The failure kinds, as they are written in `on_failure`, and what is done about each when no list names it.
fn failures() -> String {
    let always = in_words(recovery::by_default(&failure(FailureKind::Internal, Phase::NotSent)));
    let mut page = format!(
        "{HEADER}# Failure kinds\n\n\
         A step that fails says with which kind, and how far its call had come. The kind is what `on_failure` matches, on the step, the \
         stage or the workflow; the nearest list wins. Where no list names the kind, the last column counts; a call of \
         which nothing was sent is met with: {always}, unless the last column says `pause`.\n\n\
         | kind | what happened | without `on_failure` |\n| --- | --- | --- |\n"
    );
    for kind in FailureKind::ALL {
        let default = in_words(recovery::by_default(&failure(*kind, Phase::Answered)));
        writeln!(page, "| `{kind}` | {} | {default} |", kind.explanation()).expect("a String takes every write");
    }
    page.push_str(FORESEEN);
    page
}

/// What is told of failures besides the kinds.
const FORESEEN: &str = "
## What is done, step by step

`surefoot check --failures [WORKFLOW]` prints the effective table: for each step the kinds that can occur there (by what it does, the effect of \
what it calls, its checks, its deadline, the budgets and the policies), the recoveries in the order in which they are tried, where that list is \
written, and what happens once it is used up. With `--json` it is an object by workflow.

A retry waits for something or changes something. `check` refuses the others: a `retry` of an `at_most_once` action after it may have been \
performed (W192), one that changes nothing against a verdict, a wrong answer or time that is over (W193), a `continue_with` over an action that \
may have been performed (W194), and what stands behind an item that always ends its list (W195).

## What a run costs at most

`surefoot check --cost [WORKFLOW]` prints each call with all its repetitions, in all bodies that it may be made in, and the sum beside the \
workflow's budget. A list without `maxItems` counts one item, and what is shown without `tokens` counts nothing; both are named as not bounded.

## Allowing a warning

```yaml
# surefoot: allow W196 because another profile has a deadline
deadline_exceeded: [ fail ]
```

The comment stands on the line of the warning or right above it. In a prompt it is a line of its own, `<!-- surefoot: allow W199 because … -->`, \
which is not sent to the model. One without a reason, about an error or about no complaint is an error itself, and one that allows nothing is a \
warning (W203).
";

fn failure(kind: FailureKind, phase: Phase) -> Failure {
    Failure { kind, phase, detail: String::new(), retry_after: None }
}

/// A recovery list as a person would write it.
fn in_words(list: &[Recovery]) -> String {
    let words: Vec<String> = list
        .iter()
        .map(|recovery| match recovery {
            Recovery::Retry { times, backoff } => {
                let growth = if backoff.exponential { "exponential" } else { "constant" };
                format!("`retry: {times}`, {growth} from {}", backoff.base)
            }
            Recovery::Repair { times } => format!("`repair: {times}`"),
            Recovery::Replan { times } => format!("`replan: {times}`"),
            Recovery::Model(model) => format!("`model: {model}`"),
            Recovery::Stage(stage) => format!("`stage: {stage}`"),
            Recovery::ContinueWith(_) => "`continue_with`".into(),
            Recovery::Pause => "`pause`".into(),
            Recovery::Fail => "`fail`".into(),
            Recovery::ReturnTo { step, .. } => format!("`return_to: {step}`"),
            Recovery::Person { group, .. } => format!("`person: {group}`"),
            Recovery::Probe { .. } => "`probe`".into(),
            Recovery::Undo => "`undo`".into(),
        })
        .collect();
    if words.is_empty() { "the step fails".into() } else { words.join(", then ") }
}
