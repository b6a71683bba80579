//! `--update`: what came is written where something else was expected. The rest of the file stays as it is, comments included.

use std::fmt::Write as _;

use kernel::values::Value;

use super::{Case, Outcome, write};

/// One key below `expect:` with the comments above it, as lines.
struct Part {
    key: String,
    lines: Vec<String>,
}

/// The file with what came of the case. Where nothing was expected, everything that can be is; else only what stands there already.
pub(crate) fn updated(text: &str, case: &Case, outcome: &Outcome) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let begin = lines.iter().position(|line| line.starts_with("expect:"));
    let below = |line: &&&str| line.is_empty() || line.starts_with(' ');
    let (begin, mut end) = match begin {
        Some(begin) => (begin, begin + 1 + lines[begin + 1..].iter().take_while(below).count()),
        None => (lines.len(), lines.len()),
    };
    // What separates it from the next part is not its own.
    while end > begin + 1 && lines[end - 1].trim().is_empty() {
        end -= 1;
    }
    let mut out = String::new();
    lines[..begin].iter().for_each(|line| {
        let _ = writeln!(out, "{line}");
    });
    let parts = parts(&lines[begin.min(lines.len())..end]);
    out.push_str("expect:\n");
    out.push_str(&below_expect(parts, case, outcome));
    lines[end..].iter().for_each(|line| {
        let _ = writeln!(out, "{line}");
    });
    let was_formatted = kernel::fmt::format(&case.file, text).is_ok_and(|formatted| formatted == text);
    match kernel::fmt::format(&case.file, &out) {
        Ok(formatted) if was_formatted => formatted,
        _ => out,
    }
}

fn parts(lines: &[&str]) -> Vec<Part> {
    let Some((_, lines)) = lines.split_first() else { return Vec::new() };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let Some(level) = lines.iter().find(|line| !line.trim().is_empty()).map(|line| indent(line)) else {
        return Vec::new();
    };
    let (mut parts, mut above): (Vec<Part>, Vec<String>) = (Vec::new(), Vec::new());
    for line in lines {
        let own = indent(line) == level && !line.trim().is_empty();
        if own && line.trim_start().starts_with('#') {
            above.push((*line).to_owned());
        } else if own {
            let key = line.trim_start().split(':').next().unwrap_or_default().to_owned();
            let mut lines = std::mem::take(&mut above);
            lines.push((*line).to_owned());
            parts.push(Part { key, lines });
        } else if let Some(part) = parts.last_mut() {
            part.lines.append(&mut above);
            part.lines.push((*line).to_owned());
        }
    }
    if let Some(part) = parts.last_mut() {
        part.lines.append(&mut above);
    }
    parts
}

fn below_expect(parts: Vec<Part>, case: &Case, outcome: &Outcome) -> String {
    const ORDER: [&str; 6] = ["status", "waits_for", "failure", "acts", "result", "story"];
    let expect = &case.expect;
    let differs = |what: &str| case.differences(outcome).iter().any(|one| one.what == what);
    let said = |what: &str| match what {
        "status" => expect.status.is_some(),
        "waits_for" => expect.waits_for.is_some(),
        "failure" => expect.failure.is_some(),
        "acts" => expect.acts.is_some(),
        "result" => expect.result.is_some(),
        _ => expect.story.is_some(),
    };
    let came = |what: &str| match what {
        "waits_for" => outcome.waits_for.is_some(),
        "failure" => outcome.failure.is_some(),
        "result" => outcome.result.is_some(),
        _ => true,
    };
    // How a run stands belongs to the rest: why it failed, whom it waits for.
    let wanted = |what: &str| match what {
        "status" => true,
        "acts" => expect.acts.is_some(),
        "waits_for" | "failure" => said(what) || !expect.any || differs("status"),
        what => said(what) || !expect.any,
    };
    let mut out = String::new();
    let mut done = Vec::new();
    let missing = |out: &mut String, before: Option<&str>, done: &mut Vec<String>| {
        for what in ORDER.iter().take_while(|what| Some(**what) != before) {
            if wanted(what) && came(what) && !done.iter().any(|one| one == what) && !said_in(&parts, what) {
                out.push_str(&written(what, outcome));
                done.push((*what).to_owned());
            }
        }
    };
    for part in &parts {
        missing(&mut out, Some(&part.key), &mut done);
        done.push(part.key.clone());
        let comments = part.lines.iter().take_while(|line| line.trim_start().starts_with('#'));
        if ORDER.contains(&&*part.key) && (differs(&part.key) || !came(&part.key)) {
            comments.for_each(|line| {
                let _ = writeln!(out, "{line}");
            });
            if came(&part.key) {
                out.push_str(&written(&part.key, outcome));
            }
            continue;
        }
        part.lines.iter().for_each(|line| {
            let _ = writeln!(out, "{line}");
        });
    }
    missing(&mut out, None, &mut done);
    out
}

fn said_in(parts: &[Part], what: &str) -> bool {
    parts.iter().any(|part| part.key == what)
}

fn written(what: &str, outcome: &Outcome) -> String {
    let mut out = String::new();
    let text = |text: &Option<String>| Value::text(text.clone().unwrap_or_default());
    match what {
        "status" => write::entry(&mut out, 2, what, &outcome.status.into()),
        "waits_for" => write::entry(&mut out, 2, what, &text(&outcome.waits_for)),
        "failure" => write::entry(&mut out, 2, what, &text(&outcome.failure)),
        "result" => write::entry(&mut out, 2, what, &outcome.result.clone().unwrap_or_default()),
        "acts" => {
            let acts = outcome.acts.iter().map(|act| Value::text(act.as_str()));
            write::entry(&mut out, 2, what, &Value::list(acts));
        }
        _ => {
            out.push_str("  story: |\n");
            outcome.story.iter().for_each(|line| {
                let _ = writeln!(out, "    {line}");
            });
        }
    }
    out
}
