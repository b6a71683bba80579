//! From YAML to a case.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use gateway::model::scripted::Pattern;
use kernel::{
    complaint::{Complaint, Complaints, Place, did_you_mean},
    governance::{approval::Decision, budget::Unit},
    ids::StepPath,
    journal::Usage,
    next::Counted,
    recovery::{Failure, FailureKind, Phase},
    step::{Kind, Step},
    values::{MAX_INT, Timestamp, Value},
    workflow::{Program, project::Project, project::Sources},
    yaml::{self, Fields, Node},
};

use super::{
    Case, Expect, STATUSES, Script,
    script::{Line, Proposal, Then, Times},
};
use crate::trial::{
    Beginning, Part, outermost,
    people::{Says, What},
};

/// Where a case's clock stands at its start, if it does not say: a Monday morning.
pub(super) const AT: &str = "2026-01-05T09:00:00Z";

const KEYS: [&str; 15] = [
    "case", "workflow", "stage", "step", "input", "given", "at", "by", "history", "answers", "tools", "people",
    "policies", "expect", "about",
];

/// What a provider can bring instead of an answer.
pub(crate) const OF_MODELS: [FailureKind; 12] = [
    FailureKind::ProviderRateLimited,
    FailureKind::ProviderSpendLimit,
    FailureKind::ProviderOverloaded,
    FailureKind::ProviderError,
    FailureKind::ProviderTimeout,
    FailureKind::ProviderAuth,
    FailureKind::Refused,
    FailureKind::Truncated,
    FailureKind::InvalidOutput,
    FailureKind::BadReasoning,
    FailureKind::InvalidArguments,
    FailureKind::ContextOverflow,
];

/// What a tool can bring instead of an answer.
pub(crate) const OF_TOOLS: [FailureKind; 5] = [
    FailureKind::ToolRejected,
    FailureKind::ToolTimeout,
    FailureKind::ToolError,
    FailureKind::InvalidArguments,
    FailureKind::Internal,
];

/// Whether a file in `cases/` is a case: its first key says so. The others are inputs and answers.
pub(crate) fn is_case(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next().is_some_and(|line| line.starts_with("case:"))
}

/// Reads one case. `folder` is the project's, for inputs that stand elsewhere in it.
pub(crate) fn read(
    file: &Arc<str>,
    text: &str,
    (project, sources, folder): (&Project, &Sources, &Path),
) -> Result<Case, Vec<Complaint>> {
    let node = yaml::parse(file, text).map_err(|complaint| vec![complaint])?;
    let mut reader = Reader { project, sources, folder, complaints: Complaints::new() };
    let case = reader.case(&node, text);
    reader.complaints.finish(case)
}

struct Reader<'a> {
    project: &'a Project,
    sources: &'a Sources,
    folder: &'a Path,
    complaints: Complaints,
}

impl Reader<'_> {
    fn case(&mut self, node: &Node, text: &str) -> Option<Case> {
        let fields = Fields::new(node, "a case", &KEYS, &[], &mut self.complaints)?;
        let name = fields.text("case", &mut self.complaints);
        let program = self.program(&fields);
        let at = self.moment(&fields);
        let by = fields.opt_text("by", &mut self.complaints);
        fields.one_of("policies", &["real"], &mut self.complaints);
        // Words for readers; nothing follows from them.
        fields.opt_text("about", &mut self.complaints);
        let input = fields.get("input").map(|node| self.input(node));
        let history = self.history(&fields);
        let says = self.people(&fields);
        let expect = self.expect(node, &fields, text);
        let program = program?;
        let part = self.part(&fields, &program);
        let given = self.given(&fields, &program);
        let script = Script { models: self.models(&fields, &program), tools: self.tools(&fields) };
        let input = match input {
            Some(input) => input?,
            None if part == Some(Part::Whole) && program.input.is_some() => {
                self.complaints.push(node.complaint("W003", "a case needs `input`"));
                return None;
            }
            None => Value::map::<&str>([]),
        };
        let beginning = Beginning { part: part?, input, by, at: at?, given: given?, history: history? };
        Some(Case { name: name?, file: node.file.clone(), program, beginning, script, says: says?, expect: expect? })
    }

    fn program(&mut self, fields: &Fields<'_>) -> Option<Arc<Program>> {
        let workflows = &self.project.workflows;
        let only = || workflows.values().next().filter(|_| workflows.len() == 1).cloned();
        let names = || workflows.keys().map(|name| &**name).collect::<Vec<_>>();
        if let Some(node) = fields.get("workflow") {
            let name = node.text(&mut self.complaints)?;
            let found = workflows.get(&name).cloned();
            if found.is_none() {
                let message = format!("the project has no workflow `{name}`");
                let hint = did_you_mean(&name, names());
                self.complaints.push(node.complaint("W215", message).or_hint(hint));
            }
            return found;
        }
        // The name of a step or a stage says which workflow is meant, if one alone has it.
        let text = |key| fields.get(key).and_then(Node::scalar).cloned();
        let has = |program: &&Arc<Program>| {
            text("step").is_some_and(|step| program.step(&step).is_some())
                || text("stage").is_some_and(|stage| program.stage(&stage).is_some())
        };
        let mut having = workflows.values().filter(has);
        let found = only().or_else(|| having.next().filter(|_| having.next().is_none()).cloned());
        if found.is_none() {
            let message = format!("a case says which `workflow` it is about: one of {}", names().join(", "));
            self.complaints.push(fields.node.complaint("W003", message));
        }
        found
    }

    fn part(&mut self, fields: &Fields<'_>, program: &Program) -> Option<Part> {
        match (fields.get("stage"), fields.get("step")) {
            (None, None) => Some(Part::Whole),
            (Some(_), Some(node)) => {
                let message = "a case is about a `stage` or about a `step`, not both";
                self.complaints.push(node.complaint("W216", message));
                None
            }
            (Some(node), None) => {
                let name = node.text(&mut self.complaints)?;
                if program.stage(&name).is_some() {
                    return Some(Part::Stage(name));
                }
                let message = format!("the workflow `{}` has no stage `{name}`", program.name);
                let hint = did_you_mean(&name, program.stages.iter().map(|stage| &*stage.name).collect::<Vec<_>>());
                self.complaints.push(node.complaint("W215", message).or_hint(hint));
                None
            }
            (None, Some(node)) => {
                let name = node.text(&mut self.complaints)?;
                if outermost(program, &name).is_some() {
                    return Some(Part::Step(name));
                }
                if program.step(&name).is_some() {
                    let message =
                        format!("`{name}` stands in a body: a case is about the step around it, or its stage");
                    self.complaints.push(node.complaint("W216", message));
                    return None;
                }
                self.no_step((&node.file, node.span), &name, program);
                None
            }
        }
    }

    fn no_step(&mut self, (file, place): (&Arc<str>, Place), name: &str, program: &Program) {
        let known = steps(program);
        let message = format!("the workflow `{}` has no step `{name}`", program.name);
        let hint = did_you_mean(name, known.iter().map(|name| &**name).collect::<Vec<_>>());
        self.complaints.push(Complaint::new("W215", file, place, message).or_hint(hint));
    }

    fn given(&mut self, fields: &Fields<'_>, program: &Program) -> Option<BTreeMap<Arc<str>, Value>> {
        if let Some(node) = fields.get("given")
            && !fields.has("stage")
            && !fields.has("step")
        {
            let message =
                "`given` says what steps before a `stage` or a `step` gave: a whole workflow begins with its input";
            self.complaints.push(node.complaint("W216", message));
            return None;
        }
        let mut given = BTreeMap::new();
        for (key, node) in fields.map("given", &mut self.complaints) {
            if outermost(program, &key.text).is_none() {
                self.no_step((&node.file, key.span), &key.text, program);
            }
            given.insert(key.text.clone(), self.value(node)?);
        }
        Some(given)
    }

    fn value(&mut self, node: &Node) -> Option<Value> {
        self.complaints.take(node.to_value())
    }

    /// A value in its place, or in a file of the project.
    fn input(&mut self, node: &Node) -> Option<Value> {
        match node.scalar() {
            Some(path) if path.ends_with(".yaml") || path.ends_with(".json") => {
                let path = path.clone();
                self.file(node, &path)
            }
            _ => self.value(node),
        }
    }

    fn file(&mut self, node: &Node, path: &Arc<str>) -> Option<Value> {
        let text = match self.sources.get(path) {
            Some(text) => Ok(text.to_string()),
            None => {
                let inside =
                    Path::new(&**path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
                let text = inside.then(|| std::fs::read_to_string(self.folder.join(&**path)).ok()).flatten();
                text.ok_or_else(|| format!("the project has no file `{path}`"))
            }
        };
        let value = text.and_then(|text| match path.ends_with(".json") {
            true => Value::from_json(text.as_bytes()).map_err(|why| format!("`{path}` is no JSON: {why}")),
            false => yaml::parse(path, &text)
                .and_then(|node| node.to_value())
                .map_err(|complaint| format!("`{path}` cannot be read: {complaint}")),
        });
        match value {
            Ok(value) => Some(value),
            Err(why) => {
                self.complaints.push(node.complaint("W012", why));
                None
            }
        }
    }

    fn moment(&mut self, fields: &Fields<'_>) -> Option<Timestamp> {
        let Some(node) = fields.get("at") else { return Timestamp::parse(AT) };
        let text = node.text(&mut self.complaints)?;
        let at = Timestamp::parse(&text);
        if at.is_none() {
            self.complaints.push(node.expected("a moment such as `2026-01-05T09:00:00Z`"));
        }
        at
    }

    fn history(&mut self, fields: &Fields<'_>) -> Option<BTreeMap<Arc<str>, Counted>> {
        let mut known: Vec<&Arc<str>> = Vec::new();
        for tool in self.project.tools.values() {
            known.extend(tool.operations.values().flat_map(|operation| operation.counts.keys()));
        }
        let mut history = BTreeMap::new();
        for (key, node) in fields.map("history", &mut self.complaints) {
            if !known.contains(&&key.text) {
                let message = format!("no operation counts `{}`", key.text);
                let hint = did_you_mean(&key.text, known.iter().map(|name| &***name).collect::<Vec<_>>());
                self.complaints.push(Complaint::new("W215", &node.file, key.span, message).or_hint(hint));
            }
            let stands = node.int(0, MAX_INT, &mut self.complaints)?;
            let counted = Counted { version: 0, count: u64::try_from(stands).unwrap_or(0), sum: stands };
            history.insert(key.text.clone(), counted);
        }
        Some(history)
    }

    fn models(&mut self, fields: &Fields<'_>, program: &Program) -> Vec<(Pattern, Vec<Line>)> {
        // What is handed over is done in the same case.
        let programs = handed_to(program, self.project);
        let known: Vec<Arc<str>> = programs.iter().flat_map(|program| steps(program)).collect();
        let mut models = Vec::new();
        for (key, node) in fields.map("answers", &mut self.complaints) {
            let Ok(pattern) = key.text.parse::<Pattern>() else {
                let message = format!("`{}` names no step", key.text);
                self.complaints.push(Complaint::new("W215", &node.file, key.span, message));
                continue;
            };
            let name = StepPath::new(key.text.replace("[*]", ""));
            if !known.iter().any(|known| **known == *name.name())
                && !programs.iter().any(|program| is_turn(&name, program))
            {
                self.no_step((&node.file, key.span), name.name(), program);
            }
            let items = node.list(&mut self.complaints).unwrap_or_default();
            let lines = items.iter().filter_map(|item| self.line(item, &OF_MODELS, true)).collect();
            models.push((pattern, lines));
        }
        models
    }

    fn tools(&mut self, fields: &Fields<'_>) -> BTreeMap<Arc<str>, Vec<Line>> {
        let mut tools = BTreeMap::new();
        for (key, node) in fields.map("tools", &mut self.complaints) {
            let found = key
                .text
                .split_once('.')
                .and_then(|(tool, operation)| self.project.tools.get(tool)?.operations.get(operation));
            if found.is_none() {
                let mut known: Vec<String> = Vec::new();
                for (tool, decl) in &self.project.tools {
                    known.extend(decl.operations.keys().map(|operation| format!("{tool}.{operation}")));
                }
                let message = format!("no tool has the operation `{}`", key.text);
                let hint = did_you_mean(&key.text, known.iter().map(String::as_str).collect::<Vec<_>>());
                self.complaints.push(Complaint::new("W215", &node.file, key.span, message).or_hint(hint));
            }
            let items = node.list(&mut self.complaints).unwrap_or_default();
            let lines = items.iter().filter_map(|item| self.line(item, &OF_TOOLS, false)).collect();
            tools.insert(key.text.clone(), lines);
        }
        tools
    }

    /// One answer.
    fn line(&mut self, node: &Node, kinds: &[FailureKind], of_model: bool) -> Option<Line> {
        const MODEL: [&str; 9] =
            ["value", "file", "text", "fail", "detail", "retry_after", "times", "usage", "proposes"];
        const TOOL: [&str; 8] = ["value", "file", "fail", "phase", "detail", "retry_after", "times", "with"];
        let (what, keys): (_, &[&str]) = match of_model {
            true => ("an answer of a model", &MODEL),
            false => ("an answer of a tool", &TOOL),
        };
        let with_step = [keys, &["step"]].concat();
        let fields = Fields::new(node, what, if of_model { keys } else { &with_step }, &[], &mut self.complaints)?;
        let then = self.then(&fields, kinds, of_model);
        let times = match fields.get("times") {
            None => Some(Times::Exactly(1)),
            Some(node) if node.scalar().is_some_and(|text| **text == *"any") => Some(Times::Any),
            Some(node) => {
                let times = node.int(1, 1_000_000, &mut self.complaints);
                times.and_then(|times| u32::try_from(times).ok()).map(Times::Exactly)
            }
        };
        let with = match fields.get("with") {
            Some(node) => Some(self.value(node)?),
            None => None,
        };
        let step = match fields.get("step") {
            Some(node) => {
                let text = node.text(&mut self.complaints)?;
                match text.parse::<Pattern>() {
                    Ok(pattern) => Some(pattern),
                    Err(why) => {
                        self.complaints.push(node.complaint("W215", why.to_string()));
                        return None;
                    }
                }
            }
            None => None,
        };
        let usage = self.usage(&fields);
        let proposes = self.proposes(&fields);
        let at = format!("{}:{}", node.file, node.span.line).into();
        let place = (node.span.line, node.span.column);
        Some(Line { then: then?, times: times?, with, step, usage, proposes, at, place })
    }

    fn then(&mut self, fields: &Fields<'_>, kinds: &[FailureKind], of_model: bool) -> Option<Then> {
        let said: Vec<_> =
            ["value", "file", "text", "fail", "proposes"].into_iter().filter(|key| fields.has(key)).collect();
        let [said] = said.as_slice() else {
            let message = match of_model {
                true => "an answer has exactly one of `value`, `file`, `text`, `fail` and `proposes`",
                false => "an answer has exactly one of `value`, `file` and `fail`",
            };
            self.complaints.push(fields.node.complaint("W003", message));
            return None;
        };
        for key in ["phase", "detail", "retry_after"] {
            if *said != "fail"
                && let Some(node) = fields.get(key)
            {
                self.complaints.push(node.complaint("W001", format!("`{key}` belongs to a `fail`")));
            }
        }
        let node = fields.get(said)?;
        match *said {
            "value" => self.value(node).map(Then::Value),
            "file" => {
                let path = node.text(&mut self.complaints)?;
                self.file(node, &path).map(Then::Value)
            }
            "text" => node.text(&mut self.complaints).map(Then::Text),
            "proposes" => Some(Then::Value(Value::Null)),
            _ => {
                let words: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
                let word = node.one_of(&words, &mut self.complaints)?;
                let kind = kinds.iter().copied().find(|kind| kind.as_str() == word)?;
                let phase = fields.one_of("phase", &["not_sent", "maybe_sent", "answered"], &mut self.complaints);
                let phase = match phase {
                    Some("not_sent") => Phase::NotSent,
                    Some("maybe_sent") => Phase::MaybeSent,
                    Some(_) => Phase::Answered,
                    None => usual_phase(kind),
                };
                let detail = fields.opt_text("detail", &mut self.complaints);
                Some(Then::Fail(Failure {
                    kind,
                    phase,
                    detail: detail.map_or_else(|| "the case says so".to_owned(), |detail| detail.to_string()),
                    retry_after: fields.time("retry_after", &mut self.complaints),
                }))
            }
        }
    }

    fn proposes(&mut self, fields: &Fields<'_>) -> Vec<Proposal> {
        let items = fields.list("proposes", &mut self.complaints);
        let mut read = |node: &Node| {
            let fields = Fields::new(node, "a proposal", &["name", "arguments"], &[], &mut self.complaints)?;
            let name = fields.text("name", &mut self.complaints)?;
            let arguments = match fields.get("arguments") {
                Some(node) => self.complaints.take(node.to_value())?,
                None => Value::map::<&str>([]),
            };
            Some(Proposal { name, arguments })
        };
        items.iter().filter_map(&mut read).collect()
    }

    fn usage(&mut self, fields: &Fields<'_>) -> Usage {
        let Some(node) = fields.get("usage") else { return Usage::default() };
        let keys = ["input", "cache_read", "cache_write", "output", "reasoning"];
        let Some(fields) = Fields::new(node, "a usage", &keys, &[], &mut self.complaints) else {
            return Usage::default();
        };
        let mut tokens = |key| {
            let count = fields.int(key, 0, MAX_INT, &mut self.complaints);
            count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
        };
        Usage {
            input: tokens("input"),
            cache_read: tokens("cache_read"),
            cache_write: tokens("cache_write"),
            output: tokens("output"),
            reasoning: tokens("reasoning"),
        }
    }

    fn people(&mut self, fields: &Fields<'_>) -> Option<Vec<Says>> {
        let before = self.complaints.len();
        let items = fields.list("people", &mut self.complaints);
        let says = items.iter().filter_map(|node| self.says(node)).collect();
        (self.complaints.len() == before).then_some(says)
    }

    fn says(&mut self, node: &Node) -> Option<Says> {
        const WHAT: [&str; 9] =
            ["approve", "reject", "edit", "answer", "resolve", "signal", "pause", "resume", "cancel"];
        const MORE: [&str; 10] =
            ["by", "reason", "with", "value", "as", "external_id", "after", "refused", "undo", "to"];
        let known = [&WHAT[..], &["raise"], &MORE].concat();
        let fields = Fields::new(node, "what somebody says", &known, &[], &mut self.complaints)?;
        let said: Vec<&str> = WHAT.into_iter().chain(["raise"]).filter(|key| fields.has(key)).collect();
        let [what] = said[..] else {
            let words = WHAT.join("`, `");
            let message = format!("somebody says exactly one of `{words}` and `raise`");
            self.complaints.push(node.complaint("W003", message));
            return None;
        };
        let by = match what {
            "signal" => fields.opt_text("by", &mut self.complaints).unwrap_or_else(|| "case".into()),
            _ => fields.text("by", &mut self.complaints)?,
        };
        let about = fields.get(what)?;
        let what = match what {
            "pause" | "resume" | "cancel" => {
                about.bool(&mut self.complaints)?;
                let undo = fields.bool("undo", false, &mut self.complaints);
                let body = if undo { Value::map([("undo", true.into())]) } else { Value::map::<&str>([]) };
                let word = ["pause", "resume", "cancel"].into_iter().find(|word| *word == what)?;
                What::Control(word, body)
            }
            "signal" => What::Signal(about.text(&mut self.complaints)?, self.optional(&fields, "value")?),
            "raise" => {
                let words = Unit::ALL.map(|unit| unit.as_str());
                let unit = about.one_of(&words, &mut self.complaints)?;
                let to = fields.required("to", &mut self.complaints)?;
                What::Raise(unit.into(), to.int(0, MAX_INT, &mut self.complaints)?)
            }
            what => {
                let step = about.text(&mut self.complaints)?;
                self.about_a_step(what, step, &fields)?
            }
        };
        let after = fields.time("after", &mut self.complaints);
        let refused = fields.bool("refused", false, &mut self.complaints);
        let at = format!("{}:{}", node.file, node.span.line).into();
        Some(Says { by, what, after, refused, at })
    }

    fn optional(&mut self, fields: &Fields<'_>, key: &str) -> Option<Value> {
        match fields.get(key) {
            Some(node) => self.value(node),
            None => Some(Value::Null),
        }
    }

    fn about_a_step(&mut self, what: &str, step: Arc<str>, fields: &Fields<'_>) -> Option<What> {
        let reason = fields.opt_text("reason", &mut self.complaints).unwrap_or_else(|| "".into());
        match what {
            "approve" => Some(What::Vote(step, Decision::Approve)),
            "reject" => Some(What::Vote(step, Decision::Reject { reason: reason.to_string() })),
            "edit" => {
                let with = fields.required("with", &mut self.complaints)?;
                Some(What::Vote(step, Decision::Edit { with: self.value(with)? }))
            }
            "answer" => {
                let value = fields.required("value", &mut self.complaints)?;
                Some(What::Answer(step, self.value(value)?))
            }
            _ => {
                let words = ["performed", "not_performed", "given_up"];
                let resolution = fields.required("as", &mut self.complaints)?.one_of(&words, &mut self.complaints)?;
                let output = self.optional(fields, "value")?;
                let external_id = fields.opt_text("external_id", &mut self.complaints);
                Some(What::Resolve { step, resolution, output, external_id, reason })
            }
        }
    }

    fn expect(&mut self, node: &Node, fields: &Fields<'_>, text: &str) -> Option<Expect> {
        const KEYS: [&str; 6] = ["status", "waits_for", "failure", "result", "acts", "story"];
        let Some(below) = fields.get("expect") else {
            return Some(Expect { line: node.span.line, ..Expect::default() });
        };
        let line = fields.key("expect").map_or(node.span.line, |key| key.span.line);
        if below.is_null() {
            return Some(Expect { line, ..Expect::default() });
        }
        let fields = Fields::new(below, "what is expected", &KEYS, &[], &mut self.complaints)?;
        let line_of = |key: &str| fields.key(key).map_or(line, |key| key.span.line);
        let status = match fields.get("status") {
            Some(node) => Some((node.one_of(&STATUSES, &mut self.complaints)?, line_of("status"))),
            None => None,
        };
        let kinds: Vec<&str> = FailureKind::ALL.iter().map(|kind| kind.as_str()).collect();
        let failure = match fields.get("failure") {
            Some(node) => Some((node.one_of(&kinds, &mut self.complaints)?.into(), line_of("failure"))),
            None => None,
        };
        let waits_for = fields.opt_text("waits_for", &mut self.complaints).map(|text| (text, line_of("waits_for")));
        let result = match fields.get("result") {
            Some(node) => Some((self.input(node)?, line_of("result"))),
            None => None,
        };
        let acts = match fields.get("acts") {
            Some(node) => Some((node.texts(&mut self.complaints)?, line_of("acts"))),
            None => None,
        };
        let story = match fields.get("story") {
            Some(node) => {
                let told = node.text(&mut self.complaints)?;
                let lines = told.lines().map(|line| line.trim_end().to_owned()).collect();
                let below =
                    text.lines().nth(line_of("story") as usize - 1).is_some_and(|line| line.ends_with(['|', '-']));
                Some((lines, line_of("story") + u32::from(below)))
            }
            None => None,
        };
        Some(Expect { any: true, line, status, waits_for, failure, result, acts, story })
    }
}

/// How far a call has come that ends so, if nothing else is said.
pub(crate) fn usual_phase(kind: FailureKind) -> Phase {
    match kind {
        FailureKind::ProviderTimeout
        | FailureKind::ProviderError
        | FailureKind::ToolTimeout
        | FailureKind::ToolError => Phase::MaybeSent,
        FailureKind::Internal => Phase::Inside,
        _ => Phase::Answered,
    }
}

/// The program, and those that it hands work to, directly or not.
fn handed_to<'p>(program: &'p Program, project: &'p Project) -> Vec<&'p Program> {
    fn down<'p>(steps: &'p [Step], names: &mut Vec<&'p Arc<str>>) {
        for step in steps {
            if let Kind::Specialist(specialist) = &step.kind {
                names.push(&specialist.to);
            }
            step.bodies().into_iter().for_each(|(_, steps)| down(steps, names));
        }
    }
    let (mut all, mut at) = (vec![program], 0);
    while let Some(program) = all.get(at).copied() {
        let mut names = Vec::new();
        program.stages.iter().for_each(|stage| down(&stage.steps, &mut names));
        for name in names {
            let known = all.iter().any(|program| program.name == *name);
            all.extend(project.workflows.get(name).filter(|_| !known).map(|program| &**program));
        }
        at += 1;
    }
    all
}

/// Whether it is a turn of a step that proposes: `tell[0]/ask`.
pub(super) fn is_turn(path: &StepPath, program: &Program) -> bool {
    let Some((of, _)) = path.as_str().rsplit_once('/').filter(|_| path.name() == "ask") else { return false };
    let step = program.step(StepPath::new(of).name());
    step.is_some_and(|step| matches!(step.kind, Kind::Agent(_) | Kind::Plan(_)))
}

/// The names of all steps, bodies included.
fn steps(program: &Program) -> Vec<Arc<str>> {
    fn down(steps: &[Step], names: &mut Vec<Arc<str>>) {
        for step in steps {
            names.push(step.name.clone());
            step.bodies().into_iter().for_each(|(_, steps)| down(steps, names));
        }
    }
    let mut names = Vec::new();
    program.stages.iter().for_each(|stage| down(&stage.steps, &mut names));
    names
}
