//! Cases: requests written down with what must become of them, and which rules they prove.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Decision, Folder, NOT_ALLOWED, POLICY_ERROR, Policies, Request, Rule, RunFacts};
use crate::{
    complaint::{Complaint, Complaints, did_you_mean},
    governance::floor::{self, Beneath},
    tool::{Operation, Tool},
    values::{Money, Timestamp, Value},
    workflow::project::{Project, Sources},
    yaml::{self, Fields, Node},
};

/// One case of `policies/cases/*.yaml`.
#[derive(Debug)]
pub struct Case {
    /// What it shows.
    pub name: Arc<str>,
    /// Where it stands: `policies/cases/money.yaml:4`.
    pub at: Arc<str>,
    /// The rule that it is about.
    pub rule: Option<Arc<str>>,
    /// `allow`, `ask` or `deny`.
    pub expect: &'static str,
    /// The rule that must decide.
    pub by: Option<Arc<str>>,
    /// What is asked for.
    pub sample: Sample,
}

/// A request that somebody wrote.
#[derive(Debug)]
pub struct Sample {
    tenant: Arc<str>,
    workflow: Arc<str>,
    step: Arc<str>,
    version: Arc<str>,
    model: Option<Arc<str>>,
    person: Option<Arc<str>>,
    tool: Arc<str>,
    operation: Arc<str>,
    resource: Option<(Arc<str>, Arc<str>)>,
    input: Value,
    run: (Arc<str>, u32, u32, Money, Option<Arc<str>>),
    history: BTreeMap<Arc<str>, i64>,
    labels: BTreeSet<Arc<str>>,
    control_untrusted: BTreeSet<Arc<str>>,
    is_outward: bool,
    now: Timestamp,
}

/// How one case went.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The case.
    pub case: &'a Case,
    /// What became of it.
    pub decision: Decision,
    /// Why it does not hold; `None`: it does.
    pub wrong: Option<String>,
}

/// What the cases show of one rule.
#[derive(Debug)]
pub struct Coverage<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// In how many cases it was among those that decided.
    pub decided: usize,
    /// What no case shows, as sentences: "no case that it denies".
    pub missing: Vec<&'static str>,
}

/// Reads the cases of a project. Files that are wrong are left out, with a complaint.
pub fn read(sources: &Sources, project: &Project, policies: &Policies, complaints: &mut Complaints) -> Vec<Case> {
    let mut cases = Vec::new();
    for (path, text) in sources.below("policies/cases/", ".yaml") {
        let Some(node) = complaints.take(yaml::parse(path, text)) else { continue };
        let Some(fields) = Fields::new(&node, "a file of cases", &["cases"], &[], complaints) else { continue };
        fields.required("cases", complaints);
        let list = fields.list("cases", complaints);
        cases.extend(list.iter().filter_map(|node| case(node, project, policies, complaints)));
    }
    cases
}

fn case(node: &Node, project: &Project, policies: &Policies, complaints: &mut Complaints) -> Option<Case> {
    let known = ["case", "rule", "request", "expect", "by"];
    let fields = Fields::new(node, "a case", &known, &[], complaints)?;
    let name = fields.text("case", complaints)?;
    let rules = || policies.rules().iter().map(|rule| &*rule.id);
    let mut rule = |key: &str, more: &[&'static str]| {
        let node = fields.get(key)?;
        let id = node.text(complaints)?;
        if !rules().chain(more.iter().copied()).any(|known| *known == *id) {
            let hint = did_you_mean(&id, rules().collect::<Vec<_>>());
            complaints.push(node.complaint("W057", format!("there is no rule `{id}`")).or_hint(hint));
        }
        Some(id)
    };
    let (about, by) = (rule("rule", &[]), rule("by", &[POLICY_ERROR, NOT_ALLOWED]));
    let expect = fields.required("expect", complaints)?.one_of(&["allow", "ask", "deny"], complaints)?;
    let request = fields.required("request", complaints)?;
    let sample = Sample::read(request, project, policies, complaints)?;
    let at = format!("{}:{}", node.file, node.span.line).into();
    Some(Case { name, at, rule: about, expect, by, sample })
}

impl Sample {
    /// Reads a request of a case, or one that somebody asks about. What it does not say is empty; the resource is computed as the
    /// tool file says.
    ///
    /// `None` with a complaint where it names what there is not, and where its input does not fit the operation.
    pub fn read(node: &Node, project: &Project, policies: &Policies, complaints: &mut Complaints) -> Option<Sample> {
        let known = [
            "action",
            "step",
            "input",
            "resource",
            "person",
            "tenant",
            "version",
            "model",
            "run",
            "history",
            "labels",
            "control_untrusted",
            "now",
        ];
        let fields = Fields::new(node, "a request", &known, &[], complaints)?;
        let before = complaints.len();
        let action = fields.required("action", complaints)?;
        let name = action.text(complaints)?;
        let Some((tool, operation, found)) = find(&project.tools, &name) else {
            let hint = did_you_mean(&name, policies.operations().map(|name| &**name).collect::<Vec<_>>());
            complaints.push(action.complaint("W057", format!("no tool has the operation `{name}`")).or_hint(hint));
            return None;
        };
        let step = fields.required("step", complaints)?;
        let text = step.text(complaints)?;
        let Some((workflow, step)) = text.split_once('/') else {
            complaints.push(step.complaint("W057", "a step is named with its workflow: `workflow/step`"));
            return None;
        };
        let input = match fields.get("input") {
            Some(node) => complaints.take(node.to_value())?,
            None => Value::map::<&str>([]),
        };
        if let Some(params) = &found.params
            && let Err(wrong) = params.validate(&input)
        {
            let node = fields.get("input").unwrap_or(node);
            complaints
                .extend(wrong.into_iter().map(|why| node.complaint("W057", format!("the input does not fit: {why}"))));
        }
        let resource = resource(&fields, found, &input, complaints);
        let text = |key: &str, complaints: &mut Complaints| fields.opt_text(key, complaints);
        let sample = Sample {
            tenant: text("tenant", complaints).unwrap_or_else(|| "default".into()),
            workflow: workflow.into(),
            step: step.into(),
            version: text("version", complaints).unwrap_or_else(|| "1".into()),
            model: text("model", complaints),
            person: text("person", complaints),
            tool: tool.into(),
            operation: operation.into(),
            resource,
            input,
            run: run(&fields, complaints),
            history: history(&fields, found, complaints),
            labels: fields.get("labels").and_then(|node| node.texts(complaints)).into_iter().flatten().collect(),
            control_untrusted: controls(&fields, complaints),
            is_outward: found.is_outward(),
            now: now(&fields, complaints).unwrap_or_default(),
        };
        (complaints.len() == before).then_some(sample)
    }

    /// Why it may not begin without a person, whatever the rules of a project say.
    pub fn beneath(&self) -> Option<Beneath> {
        let controls = self.control_untrusted.iter().map(|argument| (argument.clone(), String::new()));
        floor::beneath(&format!("{}.{}", self.tool, self.operation), self.is_outward, controls, &self.labels)
    }

    /// As the policies take it.
    pub fn request(&self) -> Request<'_> {
        let (id, attempt, steps, cost, env) = &self.run;
        Request {
            tenant: &self.tenant,
            workflow: &self.workflow,
            version: &self.version,
            step: &self.step,
            model: self.model.as_deref(),
            on_behalf_of: self.person.as_deref(),
            tool: &self.tool,
            operation: &self.operation,
            resource: self.resource.as_ref().map(|(kind, id)| (&**kind, &**id)),
            input: &self.input,
            run: RunFacts { id, attempt: *attempt, steps: *steps, cost: *cost, env: env.as_deref() },
            history: &self.history,
            labels: &self.labels,
            control_untrusted: &self.control_untrusted,
            now: self.now,
        }
    }
}

fn find<'a, 'n>(tools: &'a BTreeMap<Arc<str>, Arc<Tool>>, name: &'n str) -> Option<(&'n str, &'n str, &'a Operation)> {
    let (tool, operation) = name.split_once('.')?;
    Some((tool, operation, tools.get(tool)?.operations.get(operation)?))
}

fn resource(
    fields: &Fields<'_>,
    operation: &Operation,
    input: &Value,
    complaints: &mut Complaints,
) -> Option<(Arc<str>, Arc<str>)> {
    let given = fields.get("resource");
    let Some(declared) = &operation.resource else {
        if let Some(node) = given {
            complaints.push(node.complaint("W057", "the operation declares no `resource`"));
        }
        return None;
    };
    let id = match given {
        Some(node) => node.text(complaints)?,
        None => match declared.id_of(input) {
            Ok(id) => id,
            Err(why) => {
                complaints.push(fields.node.complaint("W057", format!("the resource is not known: {why}")));
                return None;
            }
        },
    };
    Some((declared.kind.clone(), id))
}

fn run(fields: &Fields<'_>, complaints: &mut Complaints) -> (Arc<str>, u32, u32, Money, Option<Arc<str>>) {
    let (mut id, mut attempt, mut steps, mut cost, mut env) = ("run".into(), 1, 0, Money::default(), None);
    let known = ["id", "attempt", "steps", "cost_microusd", "env"];
    if let Some(fields) = fields.get("run").and_then(|node| Fields::new(node, "`run`", &known, &[], complaints)) {
        let small = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
        id = fields.opt_text("id", complaints).unwrap_or(id);
        attempt = fields.int("attempt", 1, 1_000_000, complaints).map_or(attempt, small);
        steps = fields.int("steps", 0, 1_000_000, complaints).map_or(steps, small);
        cost = fields.int("cost_microusd", 0, i64::MAX, complaints).map_or(cost, Money::from_micros);
        env = fields.opt_text("env", complaints);
    }
    (id, attempt, steps, cost, env)
}

/// Every counter of the operation; one that is not written is 0.
fn history(fields: &Fields<'_>, operation: &Operation, complaints: &mut Complaints) -> BTreeMap<Arc<str>, i64> {
    let mut history: BTreeMap<Arc<str>, i64> = operation.counts.keys().map(|name| (name.clone(), 0)).collect();
    for (key, node) in fields.map("history", complaints) {
        match history.get_mut(&key.text) {
            Some(count) => *count = node.int(i64::MIN, i64::MAX, complaints).unwrap_or_default(),
            None => {
                let hint = did_you_mean(&key.text, operation.counts.keys().map(|name| &**name));
                let message = format!("the operation has no counter `{}`", key.text);
                complaints.push(Complaint::new("W057", &node.file, key.span, message).or_hint(hint));
            }
        }
    }
    history
}

fn controls(fields: &Fields<'_>, complaints: &mut Complaints) -> BTreeSet<Arc<str>> {
    fields.get("control_untrusted").and_then(|node| node.texts(complaints)).into_iter().flatten().collect()
}

fn now(fields: &Fields<'_>, complaints: &mut Complaints) -> Option<Timestamp> {
    let node = fields.get("now")?;
    let text = node.scalar().and_then(|text| Timestamp::parse(text));
    if text.is_none() {
        complaints.push(node.expected("a time, as in `2026-11-20T09:00:00Z`"));
    }
    text
}

impl Case {
    /// Judges the case, and says whether it holds.
    pub fn judge(&self, policies: &Policies) -> Judged<'_> {
        let decision = policies.decide(&self.sample.request());
        let decided = |id: &str| decision.rule() == id || decision.matched().iter().any(|rule| *rule.id == *id);
        let wrong = if decision.as_str() != self.expect {
            Some(format!("expected {}, but it is {} by `{}`", self.expect, decision.as_str(), decision.rule()))
        } else {
            let missed = self.by.as_ref().filter(|by| !decided(by));
            missed.map(|by| format!("expected {} by `{by}`, but it is by `{}`", self.expect, decision.rule()))
        };
        Judged { case: self, decision, wrong }
    }
}

/// What the cases show of each rule: both that it decides, and that it lets alone what it is not about.
pub fn coverage<'a>(policies: &'a Policies, judged: &[Judged<'_>]) -> Vec<Coverage<'a>> {
    let of = |rule: &'a Rule| {
        let decided = |one: &&Judged<'_>| one.decision.matched().iter().any(|matched| matched.id == rule.id);
        let about = |one: &&Judged<'_>| one.case.rule.as_ref() == Some(&rule.id);
        let (word, other): (&str, &str) = match rule.folder {
            Folder::Never => ("no case that it denies", "no case about it that passes"),
            Folder::Allow => ("no case that it allows", "no case about it that is denied"),
            Folder::Ask => ("no case that it asks about", "no case about it that nobody is asked about"),
        };
        let count = judged.iter().filter(decided).count();
        let lets = judged.iter().filter(about).any(|one| match rule.folder {
            Folder::Never => one.decision.as_str() != "deny",
            Folder::Allow => one.decision.as_str() == "deny",
            Folder::Ask => one.decision.as_str() != "ask",
        });
        let missing = [(count == 0).then_some(word), (!lets).then_some(other)];
        Coverage { rule, decided: count, missing: missing.into_iter().flatten().collect() }
    };
    policies.rules().iter().map(of).collect()
}
