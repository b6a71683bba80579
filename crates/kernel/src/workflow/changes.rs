//! What is otherwise in another version of a project, and which steps read something that has another contract now.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    step::{Kind, Step},
    types::{Properties, Type},
    workflow::{Program, project::Sources},
    yaml::{self, Node},
};

/// How something of version A stands in version B.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// B alone has it.
    Added,
    /// A alone has it.
    Removed,
    /// Both have it, otherwise.
    Changed,
}

impl How {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Added => "added",
            How::Removed => "removed",
            How::Changed => "changed",
        }
    }

    fn of<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> Option<How> {
        match (a, b) {
            (None, Some(_)) => Some(How::Added),
            (Some(_), None) => Some(How::Removed),
            (Some(a), Some(b)) if a != b => Some(How::Changed),
            _ => None,
        }
    }
}

/// The files that differ, by path. A YAML file differs when it says something else: comments and layout do not count.
pub fn files(a: &Sources, b: &Sources) -> Vec<(Arc<str>, How)> {
    let paths: BTreeSet<&Arc<str>> = a.files.keys().chain(b.files.keys()).collect();
    let how = |path: &Arc<str>| {
        let how = How::of(a.files.get(path), b.files.get(path))?;
        let read = |sources: &Sources| yaml::parse(path, sources.get(path)?).ok();
        let says_the_same = how == How::Changed
            && path.ends_with(".yaml")
            && matches!((read(a), read(b)), (Some(a), Some(b)) if a == b);
        (!says_the_same).then_some(how)
    };
    paths.into_iter().filter_map(|path| Some((path.clone(), how(path)?))).collect()
}

/// One step that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepChange {
    /// Its name.
    pub step: Arc<str>,
    /// Where it stands: in B, or in A if B has none.
    pub file: Arc<str>,
    /// The line of its name.
    pub line: u32,
    /// How.
    pub how: How,
    /// What of it, in words: its keys, its prompt, its model. Empty unless it is in both.
    pub what: Vec<String>,
}

/// Another contract: a value, or a part of it, has another type, other options, or may be missing now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractChange {
    /// Whose value: a step, or `input`.
    pub of: Arc<str>,
    /// Which part: `items[].price`; empty: all of it.
    pub path: String,
    /// What it was, in words.
    pub before: String,
    /// What it is.
    pub after: String,
    /// Who reads it in B, in the order of the file.
    pub readers: Vec<Reader>,
}

/// Who reads something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reader {
    /// The file.
    pub file: Arc<str>,
    /// The line of the expression.
    pub line: u32,
    /// The step; `None`: the workflow itself, as its result.
    pub step: Option<Arc<str>>,
}

/// How one workflow differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Steps, in the order of B, then those that only A has.
    pub steps: Vec<StepChange>,
    /// Contracts of what is in both, in the order of B.
    pub contracts: Vec<ContractChange>,
}

/// A version: its files, and one workflow of it.
pub type Version<'v> = (&'v Sources, &'v Program);

/// Compares one workflow of two versions.
pub fn of_workflow(a: Version<'_>, b: Version<'_>) -> Changes {
    let mut changes = Changes::default();
    let (nodes_a, nodes_b) = (nodes(a), nodes(b));
    let input = |program: &Program| program.input.as_ref().map_or(Type::Any, |schema| schema.ty().clone());
    contracts(&"input".into(), [&input(a.1), &input(b.1)], b.1, &mut changes);
    b.1.each_step(&mut |step| {
        let Some(before) = a.1.step(&step.name) else {
            changes.steps.push(StepChange::of(step, b.1, How::Added, Vec::new()));
            return;
        };
        let mut what = Vec::new();
        if let (Some(one), Some(other)) = (nodes_a.get(&step.name), nodes_b.get(&step.name)) {
            what.extend(keys(one, other));
        }
        let (one, other) = (prompt(before), prompt(step));
        if one.is_some() && one == other && one.is_some_and(|file| a.0.get(file) != b.0.get(file)) {
            what.push(format!("the text of {}", one.map_or("", |file| file)));
        }
        if !what.is_empty() {
            changes.steps.push(StepChange::of(step, b.1, How::Changed, what));
        }
        contracts(&step.name, [&bound(before), &bound(step)], b.1, &mut changes);
    });
    a.1.each_step(&mut |step| {
        if b.1.step(&step.name).is_none() {
            changes.steps.push(StepChange::of(step, a.1, How::Removed, Vec::new()));
        }
    });
    changes
}

impl StepChange {
    fn of(step: &Step, program: &Program, how: How, what: Vec<String>) -> StepChange {
        StepChange { step: step.name.clone(), file: program.file.clone(), line: step.at.line, how, what }
    }
}

/// The type under which other steps read it.
fn bound(step: &Step) -> Type {
    if step.when.is_some() { step.ty.clone().maybe() } else { step.ty.clone() }
}

fn prompt(step: &Step) -> Option<&Arc<str>> {
    match &step.kind {
        Kind::Reason(reason) => Some(&reason.prompt.file),
        Kind::Agent(agent) => Some(&agent.asks().prompt.file),
        Kind::Plan(plan) => Some(&plan.asks().prompt.file),
        _ => None,
    }
}

/// Every step of a workflow file as it is written, without the steps inside.
fn nodes((sources, program): Version<'_>) -> BTreeMap<Arc<str>, BTreeMap<Arc<str>, Node>> {
    fn walk(node: &Node, found: &mut BTreeMap<Arc<str>, BTreeMap<Arc<str>, Node>>) {
        match &node.kind {
            yaml::Kind::Scalar { .. } => {}
            yaml::Kind::List(items) => items.iter().for_each(|item| walk(item, found)),
            yaml::Kind::Map(entries) => {
                let name = entries.iter().find(|(key, _)| &*key.text == "step").and_then(|(_, node)| node.scalar());
                if let Some(name) = name {
                    let keys = entries.iter().map(|(key, node)| (key.text.clone(), without_steps(node)));
                    found.insert(name.clone(), keys.collect());
                }
                entries.iter().for_each(|(_, node)| walk(node, found));
            }
        }
    }
    let mut found = BTreeMap::new();
    let text = sources.get(&program.file).and_then(|text| yaml::parse(&program.file, text).ok());
    text.iter().for_each(|node| walk(node, &mut found));
    found
}

/// The same without lists under `steps`: those are told by themselves.
fn without_steps(node: &Node) -> Node {
    let mut node = node.clone();
    match &mut node.kind {
        yaml::Kind::Scalar { .. } => {}
        yaml::Kind::List(items) => items.iter_mut().for_each(|item| *item = without_steps(item)),
        yaml::Kind::Map(entries) => {
            entries.retain(|(key, node)| !(&*key.text == "steps" && matches!(node.kind, yaml::Kind::List(_))));
            entries.iter_mut().for_each(|(_, node)| *node = without_steps(node));
        }
    }
    node
}

/// What differs between two steps of one name: a key each, with both values where they are short.
fn keys(a: &BTreeMap<Arc<str>, Node>, b: &BTreeMap<Arc<str>, Node>) -> Vec<String> {
    let all: BTreeSet<&Arc<str>> = a.keys().chain(b.keys()).collect();
    let short = |node: &Node| node.scalar().filter(|text| text.len() <= 60 && !text.contains('\n')).cloned();
    let said = |key: &Arc<str>| {
        let how = How::of(a.get(key), b.get(key))?;
        Some(match (how, a.get(key).and_then(short), b.get(key).and_then(short)) {
            (How::Changed, Some(before), Some(after)) => format!("`{key}`: {before} → {after}"),
            (How::Changed, ..) => format!("`{key}`"),
            (How::Added, _, Some(after)) => format!("`{key}`: {after} (new)"),
            (How::Added, ..) => format!("`{key}` (new)"),
            (How::Removed, ..) => format!("`{key}` (gone)"),
        })
    };
    all.into_iter().filter_map(said).collect()
}

/// Every part of a value whose type is another one, with those who read it.
fn contracts(of: &Arc<str>, [before, after]: [&Type; 2], program: &Program, changes: &mut Changes) {
    let mut found = Vec::new();
    compare(before, after, &mut Vec::new(), &mut found);
    for Found { path, before, after } in found {
        let fields: Vec<&Arc<str>> = path.iter().filter_map(Part::name).collect();
        let reads = |fields_read: &[Arc<str>]| fields_read.iter().zip(&fields).all(|(read, field)| read == *field);
        let uses = program.uses.iter().filter(|one| one.name == *of && reads(&one.fields));
        let readers: BTreeSet<Reader> =
            uses.map(|one| Reader { file: one.file.clone(), line: one.at.line, step: one.by.clone() }).collect();
        let path = written(&path);
        changes.contracts.push(ContractChange {
            of: of.clone(),
            path,
            before,
            after,
            readers: readers.into_iter().collect(),
        });
    }
}

/// A step on the way into a type.
#[derive(Clone, Debug)]
enum Part {
    Field(Arc<str>),
    Items,
}

impl Part {
    fn name(&self) -> Option<&Arc<str>> {
        match self {
            Part::Field(name) => Some(name),
            Part::Items => None,
        }
    }
}

fn written(path: &[Part]) -> String {
    let mut text = String::new();
    for part in path {
        match part {
            Part::Items => text.push_str("[]"),
            Part::Field(name) => {
                let dot = if text.is_empty() { "" } else { "." };
                text.push_str(&format!("{dot}{name}"));
            }
        }
    }
    text
}

struct Found {
    path: Vec<Part>,
    before: String,
    after: String,
}

fn compare(before: &Type, after: &Type, path: &mut Vec<Part>, found: &mut Vec<Found>) {
    match (before, after) {
        _ if before == after => {}
        (Type::Object { fields: a, open: was_open }, Type::Object { fields: b, open: is_open }) => {
            let told = found.len();
            properties((a, *was_open), (b, *is_open), path, found);
            if was_open != is_open && found.len() == told {
                let said = |open: bool| if open { "may have other fields" } else { "has no other fields" };
                let (before, after) = (said(*was_open).to_owned(), said(*is_open).to_owned());
                found.push(Found { path: path.clone(), before, after });
            }
        }
        (Type::List(a), Type::List(b)) => {
            path.push(Part::Items);
            compare(a, b, path, found);
            path.pop();
        }
        (Type::Maybe(a), Type::Maybe(b)) => compare(a, b, path, found),
        _ => found.push(Found { path: path.clone(), before: before.to_string(), after: after.to_string() }),
    }
}

fn properties(
    (a, was_open): (&Properties, bool),
    (b, is_open): (&Properties, bool),
    path: &mut Vec<Part>,
    found: &mut Vec<Found>,
) {
    let names: BTreeSet<&Arc<str>> = a.keys().chain(b.keys()).collect();
    let unknown = |open: bool| if open { "not known" } else { "not there" };
    for name in names {
        path.push(Part::Field(name.clone()));
        match (a.get(name), b.get(name)) {
            (Some((before, was)), Some((after, is))) if was == is => compare(before, after, path, found),
            (before, after) => {
                let said = |field: Option<&(Type, bool)>, open: bool| match field {
                    None => unknown(open).to_owned(),
                    Some((ty, true)) => ty.to_string(),
                    Some((ty, false)) => format!("{ty}, or missing"),
                };
                let (before, after) = (said(before, was_open), said(after, is_open));
                found.push(Found { path: path.clone(), before, after });
            }
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const WORKFLOW: &str = "\
workflow: topic
input: schemas/topic.yaml
result: { value: =sum }
stages:
  - stage: all
    steps:
      - step: judge
        reason: prompts/judge.md
        model: small
        see: { name: input.name }
        output: schemas/verdict.yaml
      - step: tell
        when: judge.score > 0.5
        set: { text: \"={{judge.kind}}\" }
      - step: sum
        set:
          kind: =judge.kind
          score: =judge.score
          first: =judge.reasons
";
    const VERDICT: &str = "\
type: object
additionalProperties: false
required: [ score, kind, reasons ]
properties:
  score: { type: number }
  kind: { enum: [ hot, cold ] }
  reasons: { type: array, items: { type: string } }
";

    fn sources(workflow: &str, verdict: &str, prompt: &str) -> Sources {
        [
            (
                "surefoot.yaml",
                "project: topics\nmodels: { small: { provider: registered }, large: { provider: registered } }\n",
            ),
            ("schemas/topic.yaml", "type: object\nrequired: [ name ]\nproperties: { name: { type: string } }\n"),
            ("schemas/verdict.yaml", verdict),
            ("prompts/judge.md", prompt),
            ("workflows/topic.yaml", workflow),
        ]
        .into_iter()
        .collect()
    }

    fn check(b: &Sources, expected: Expect) {
        let a = sources(&workflow(), VERDICT, "Judge it.\n");
        let program = |sources: &Sources| {
            let checked = crate::workflow::project::check(sources);
            let complaints: Vec<String> = checked.complaints.iter().map(ToString::to_string).collect();
            checked.project.unwrap_or_else(|| panic!("{complaints:?}")).workflows["topic"].clone()
        };
        let changes = of_workflow((&a, &program(&a)), (b, &program(b)));
        let mut told = String::new();
        for (path, how) in files(&a, b) {
            told.push_str(&format!("{} {path}\n", how.as_str()));
        }
        for one in &changes.steps {
            told.push_str(&format!(
                "{} {}:{} {} {}\n",
                one.how.as_str(),
                one.file,
                one.line,
                one.step,
                one.what.join(", ")
            ));
        }
        for one in &changes.contracts {
            told.push_str(&format!("{} {}: {} → {}\n", one.of, one.path, one.before, one.after));
            for reader in &one.readers {
                let step = reader.step.as_deref().unwrap_or("(result)");
                told.push_str(&format!("    {}:{} {step}\n", reader.file, reader.line));
            }
        }
        expected.assert_eq(&told);
    }

    fn workflow() -> String {
        WORKFLOW.replace("\"={{judge.kind}}\"", "=judge.kind")
    }

    #[test]
    fn the_same_project_has_no_changes_however_it_is_laid_out() {
        check(&sources(&workflow(), VERDICT, "Judge it.\n"), expect![[""]]);
        let commented = format!("# what judge gives\n{}", VERDICT.replace("score: {", "# from 0 to 1\n  score:   {"));
        check(&sources(&workflow(), &commented, "Judge it.\n"), expect![[""]]);
    }

    #[test]
    fn a_type_an_option_and_an_option_to_be_missing_are_told_with_who_reads_them() {
        let verdict = VERDICT
            .replace("[ score, kind, reasons ]", "[ score, kind ]")
            .replace("[ hot, cold ]", "[ hot, cold, warm ]")
            .replace("items: { type: string }", "items: { type: integer }");
        let workflow = workflow().replace("=judge.reasons", "=judge.reasons | default([])");
        check(
            &sources(&workflow, &verdict, "Judge it.\n"),
            expect![[r#"
                changed schemas/verdict.yaml
                changed workflows/topic.yaml
                changed workflows/topic.yaml:15 sum `set`
                judge kind: one of "cold", "hot" → one of "cold", "hot", "warm"
                    workflows/topic.yaml:14 tell
                    workflows/topic.yaml:17 sum
                judge reasons: a list of texts → a list of whole numbers, or missing
                    workflows/topic.yaml:17 sum
                tell text: one of "cold", "hot" → one of "cold", "hot", "warm"
                sum first[]: a text → anything
                    workflows/topic.yaml:3 (result)
                sum kind: one of "cold", "hot" → one of "cold", "hot", "warm"
                    workflows/topic.yaml:3 (result)
            "#]],
        );
    }

    #[test]
    fn a_prompt_a_model_and_a_step_that_may_be_skipped_are_told() {
        let workflow = workflow()
            .replace("model: small", "model: large")
            .replace("      - step: sum", "      - step: more\n        set: { more: =tell.text }\n      - step: sum")
            .replace("        when: judge.score > 0.5\n", "");
        check(
            &sources(&workflow, VERDICT, "Judge it well.\n"),
            expect![[r#"
            changed prompts/judge.md
            changed workflows/topic.yaml
            changed workflows/topic.yaml:7 judge `model`: small → large, the text of prompts/judge.md
            changed workflows/topic.yaml:12 tell `when` (gone)
            added workflows/topic.yaml:14 more 
            tell : an object or none → an object
                workflows/topic.yaml:15 more
        "#]],
        );
    }
}
