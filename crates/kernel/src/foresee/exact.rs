//! What is certain to be wrong or in vain: fields that nobody reads, words in prompts that the answer's schema lacks, operations that the
//! policies always deny.

use std::collections::BTreeSet;

use super::{Around, allow, steps};
use crate::{
    complaint::{Complaint, Complaints, Place, nearest},
    governance::policy::{Folder, Policies, denies_always},
    step::{Kind, Step, reason::Reason},
    types::Type,
    workflow::{Program, reading::place},
};

/// Warns about prompts and operations of a workflow.
pub(super) fn check(program: &Program, around: &Around<'_>, complaints: &mut Complaints) {
    for (stage, _, step) in steps(program) {
        if let Kind::Reason(reason) = &step.kind {
            let layers = [program.context.as_ref(), program.stages[stage].context.as_ref()];
            let more = layers.into_iter().flatten().flat_map(|layer| &layer.see).map(|see| &*see.name);
            prose(reason, &more.collect(), complaints);
        }
        complaints.extend(around.policies.and_then(|policies| denied(program, step, policies)));
    }
}

/// Words that mean something in any schema.
const COMMON: [&str; 16] = [
    "true", "false", "null", "none", "object", "array", "list", "string", "text", "integer", "number", "boolean",
    "json", "yaml", "input", "output",
];

/// Words between backticks of the ask that are neither in the answer's schema nor among what is shown.
fn prose(reason: &Reason, more: &BTreeSet<&str>, complaints: &mut Complaints) {
    let source = reason.prompt.text.source();
    let mut known: BTreeSet<String> = COMMON.iter().map(|word| (*word).to_owned()).collect();
    known.extend(more.iter().map(|word| (*word).to_owned()));
    let own = words_of(reason.output.json());
    if own.is_empty() {
        return;
    }
    known.extend(own.iter().cloned());
    for see in &reason.see {
        known.insert(see.name.to_string());
        known.extend(see.from.source().split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned));
        fields(&see.ty, &mut known, 0);
    }
    let mut at = 0;
    let mut said = BTreeSet::new();
    for (number, part) in source.split('`').enumerate() {
        let word = part;
        let plain = word.len() >= 2
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.')
            && word.starts_with(|c: char| c.is_ascii_lowercase())
            && !word.ends_with('.');
        // What stands between the first and the second backtick, the third and the fourth, and so on.
        if number % 2 == 1 && plain && !source[..at].ends_with("``") && !word.split('.').all(|one| known.contains(one))
        {
            let mean = nearest(word, own.iter().map(String::as_str));
            let message =
                format!("`{word}` is no field and no value of the answer's schema, and nothing that is shown");
            if said.insert(word) {
                let hint = mean.map_or_else(
                    || "name what the schema has, or leave the backticks out".to_owned(),
                    |mean| format!("did you mean `{mean}`?"),
                );
                let written = &reason.prompt.written;
                let place = place(written, allow::in_file(written, at), word.len());
                complaints.push(Complaint::new("W199", &reason.prompt.file, place, message).warning().hint(hint));
            }
        }
        at += part.len() + 1;
    }
}

/// The names of properties and the texts of `enum` and `const`, anywhere in a schema.
fn words_of(schema: &serde_json::Value) -> BTreeSet<String> {
    fn texts(value: &serde_json::Value, words: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::String(text) => {
                words.insert(text.clone());
            }
            serde_json::Value::Array(all) => all.iter().for_each(|one| texts(one, words)),
            _ => {}
        }
    }
    let mut words = BTreeSet::new();
    let mut left = vec![schema];
    while let Some(value) = left.pop() {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    match (key.as_str(), value) {
                        ("enum" | "const", value) => texts(value, &mut words),
                        ("properties", serde_json::Value::Object(all)) => {
                            words.extend(all.keys().cloned());
                            left.extend(all.values());
                        }
                        _ => left.push(value),
                    }
                }
            }
            serde_json::Value::Array(all) => left.extend(all),
            _ => {}
        }
    }
    words
}

fn fields(ty: &Type, known: &mut BTreeSet<String>, depth: u32) {
    if depth > 8 {
        return;
    }
    match ty {
        Type::Object { fields: all, .. } => {
            for (name, (ty, _)) in all.iter() {
                known.insert(name.to_string());
                fields(ty, known, depth + 1);
            }
        }
        Type::List(inner) | Type::Maybe(inner) => fields(inner, known, depth + 1),
        Type::Union(members) => members.iter().for_each(|member| fields(member, known, depth + 1)),
        Type::Text { options: Some(options) } => known.extend(options.iter().map(ToString::to_string)),
        _ => {}
    }
}

/// An action that no request could be allowed: no rule permits the operation, or one denies it whatever the facts are.
fn denied(program: &Program, step: &Step, policies: &Policies) -> Option<Complaint> {
    let called = step.call()?.called();
    let of = |folder: Folder| {
        policies.rules().iter().filter(move |rule| rule.folder == folder).filter(|rule| rule.can_match("Step", &called))
    };
    let why = match of(Folder::Never).find(|rule| denies_always(rule)) {
        Some(rule) => format!("`{}` ({}) denies it whatever the facts are", rule.id, rule.at),
        None if of(Folder::Allow).next().is_none() => "no rule in policies/allow/ permits it".to_owned(),
        None => return None,
    };
    let message = format!("`{called}` of `{}` is always denied: {why}", step.name);
    let hint = "permit it in policies/allow/, or leave the step out";
    Some(Complaint::new("W200", &program.file, step.at, message).warning().hint(hint))
}

/// Fields of answers that nothing reads.
pub(crate) fn unread(
    file: &std::sync::Arc<str>,
    step: &Step,
    read: Option<&BTreeSet<std::sync::Arc<str>>>,
) -> Option<Complaint> {
    let Kind::Reason(reason) = &step.kind else { return None };
    let Type::Object { fields, .. } = reason.output.ty() else { return None };
    let nobody: Vec<String> = fields
        .keys()
        .filter(|name| !read.is_some_and(|read| read.contains(*name)))
        .map(|name| format!("`{name}`"))
        .collect();
    if nobody.is_empty() {
        return None;
    }
    let message = format!("nobody reads {} of the answer of `{}`", nobody.join(", "), step.name);
    let at = Place { ..step.at };
    let hint =
        "read it in a later step, a `check` or the result, or take it out of the schema: it is asked for and paid";
    Some(Complaint::new("W198", file, at, message).warning().hint(hint))
}
