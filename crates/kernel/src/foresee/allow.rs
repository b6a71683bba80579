//! Warnings that somebody has looked at: `# surefoot: allow W198 because …` on the line of the warning or above it. In a prompt it is a line
//! of its own, `<!-- surefoot: allow W199 because … -->`, which is not sent to the model.

use std::{borrow::Cow, sync::Arc};

use crate::{
    complaint::{ALL, Complaint, Complaints, Place, Severity, did_you_mean},
    fmt::tree,
    workflow::project::Sources,
};

const MARK: &str = "surefoot: allow";

/// One of them.
struct Allow {
    file: Arc<str>,
    at: Place,
    /// The lines that it speaks for; the last one is the first that is no comment.
    until: u32,
    id: String,
    reason: bool,
}

/// Takes out what is allowed, and complains about what allows nothing.
pub fn apply(sources: &Sources, complaints: &mut Complaints) {
    let allows: Vec<Allow> = sources
        .files
        .iter()
        .filter(|(_, text)| text.contains(MARK))
        .flat_map(|(path, text)| find(path, text))
        .collect();
    if allows.is_empty() {
        return;
    }
    let errors = complaints.has_errors();
    let all = std::mem::take(complaints).into_sorted();
    let covers = |allow: &Allow, one: &Complaint| {
        let near = one.at.is_none_or(|at| at.line >= allow.at.line && at.line <= allow.until);
        allow.reason && one.file == allow.file && one.id == allow.id && near
    };
    for allow in &allows {
        let met: Vec<&Complaint> = all.iter().filter(|one| covers(allow, one)).collect();
        complaints.extend(wrong(allow, &met, errors));
    }
    let warns = |one: &&Complaint| one.severity != Severity::Error;
    let allowed = |one: &Complaint| warns(&one) && allows.iter().any(|allow| covers(allow, one));
    complaints.extend(all.into_iter().filter(|one| !allowed(one)));
}

fn wrong(allow: &Allow, met: &[&Complaint], errors: bool) -> Option<Complaint> {
    let complaint = |message: String| Complaint::new("W203", &allow.file, allow.at, message);
    if !ALL.iter().any(|known| known.0 == allow.id) {
        let hint = did_you_mean(&allow.id, ALL.iter().map(|known| known.0));
        return Some(complaint(format!("there is no complaint `{}`", allow.id)).or_hint(hint));
    }
    if !allow.reason {
        let hint = format!("as in `{MARK} {} because …`", allow.id);
        return Some(complaint(format!("`{}` is allowed without a reason", allow.id)).hint(hint));
    }
    if met.iter().any(|one| one.severity == Severity::Error) {
        return Some(complaint(format!("`{}` is an error here: errors are mended, not allowed", allow.id)));
    }
    // Some checks are not made while there are errors.
    let idle = met.is_empty() && !errors;
    idle.then(|| complaint(format!("there is no `{}` here that it could allow", allow.id)).warning())
}

fn find(path: &Arc<str>, text: &str) -> Vec<Allow> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut add = |line: usize, column: usize, said: &str, alone: &dyn Fn(usize) -> bool| {
        let Some(rest) = said.split(MARK).nth(1).filter(|_| said.trim_start().starts_with(MARK)) else { return };
        let mut words = rest.split_whitespace();
        let id = words.next().unwrap_or_default().to_owned();
        let reason = words.next() == Some("because") && words.next().is_some();
        let mut until = line;
        while alone(until) {
            until += 1;
        }
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let len = number(said.trim_end().chars().count());
        let at = Place { line: number(line), column: number(column + 1), len };
        found.push(Allow { file: path.clone(), at, until: number(until), id, reason });
    };
    if path.ends_with(".md") {
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| is_mark(line)) {
            let said = line.trim().trim_start_matches("<!--").trim_end_matches("-->");
            let alone = |line: usize| lines.get(line - 1).is_some_and(|line| is_mark(line));
            add(number + 1, 0, said, &alone);
        }
    } else if path.ends_with(".yaml")
        && let Some(file) = tree::read(text)
    {
        let alone = |line: usize| file.comments.iter().any(|one| one.line == line && one.alone);
        for comment in &file.comments {
            add(comment.line, comment.column, comment.text.trim_start_matches('#'), &alone);
        }
    }
    found
}

fn is_mark(line: &str) -> bool {
    let line = line.trim();
    line.strip_prefix("<!--").is_some_and(|rest| rest.trim_start().starts_with(MARK)) && line.ends_with("-->")
}

/// A prompt as it is sent: without the lines that allow a warning.
pub(crate) fn sent(prompt: &str) -> Cow<'_, str> {
    if !prompt.contains(MARK) {
        return prompt.into();
    }
    prompt.split_inclusive('\n').filter(|line| !is_mark(line)).collect::<String>().into()
}

/// Where a byte of what is sent stands in the file.
pub(crate) fn in_file(prompt: &str, offset: usize) -> usize {
    let (mut sent, mut file) = (0, 0);
    for line in prompt.split_inclusive('\n') {
        if !is_mark(line) {
            if offset < sent + line.len() {
                return file + offset - sent;
            }
            sent += line.len();
        }
        file += line.len();
    }
    file
}
