use std::{fs, path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use kernel::{
    complaint::{Complaint, Complaints},
    governance::{
        floor::Beneath,
        policy::{
            Decision, Explained, Folder as Set, Matched, NOT_ALLOWED, Policies, Rule, Then,
            cases::{self, Coverage, Judged, Sample},
        },
    },
    workflow::project::{Project, Sources},
    yaml,
};
use serde_json::{Value, json};

use super::{
    Folder, Scene,
    check::checked,
    out::{BAD, FAINT, GOOD, STRONG, WAIT, count, paint, plain},
};
use crate::{error::CliError, exit::Exit};

/// Look at the rules that judge every action
#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(Ls),
    Test(Test),
    Explain(Explain),
}

/// List the rules: never, allow, ask, with the operations that each can match
#[derive(Debug, Args)]
struct Ls {
    #[command(flatten)]
    folder: Folder,
    /// Print the schema that rules are checked against instead, as Cedar writes it
    #[arg(long)]
    schema: bool,
}

/// Judge the cases in policies/cases/ and say which rules no case shows
///
/// Exit code 3 if a case does not hold. Rules without cases are named, and are no error.
#[derive(Debug, Args)]
struct Test {
    #[command(flatten)]
    folder: Folder,
}

/// Say what would become of one request, by which rule, and what would change it
#[derive(Debug, Args)]
struct Explain {
    #[command(flatten)]
    folder: Folder,
    /// A YAML or JSON file with the request, written as in a case
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
}

impl Policy {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        match self.command {
            Command::Ls(command) => command.run(scene),
            Command::Test(command) => command.run(scene),
            Command::Explain(command) => command.run(scene),
        }
    }
}

/// The project in `folder`, which has policies.
fn opened(scene: &Scene, folder: &Folder) -> Result<(Sources, Project), CliError> {
    let (sources, project) = checked(scene, &folder.folder)?;
    if project.policies.is_none() {
        let message = format!("the project {} has no folder policies/", folder.folder.display());
        return Err(
            CliError::not_found(message).hint("rules stand in policies/never/, policies/allow/ and policies/ask/")
        );
    }
    Ok((sources, project))
}

fn policies(project: &Project) -> &Policies {
    project.policies.as_deref().expect("it has some: held by opened")
}

/// Says every complaint, and gives the error that ends the command.
fn refused(
    scene: &Scene,
    what: String,
    complaints: Vec<Complaint>,
    source: impl Fn(&Complaint) -> Option<Arc<str>>,
) -> CliError {
    let said = complaints.iter().map(|one| one.render(source(one).as_deref()).trim_end().to_owned());
    let error = CliError::new(Exit::Project, what);
    if scene.out.json {
        return said.fold(error, CliError::hint);
    }
    said.for_each(|one| scene.out.alarm(one));
    error
}

impl Ls {
    fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let (_, project) = opened(scene, &self.folder)?;
        let policies = policies(&project);
        let out = &scene.out;
        if self.schema {
            let text = policies.schema_text();
            if out.json {
                out.object(&json!({ "digest": policies.digest(), "schema": text }));
            } else {
                out.text(text);
            }
            return Ok(Exit::Ok);
        }
        if out.json {
            let rules: Vec<Value> = policies.rules().iter().map(rule_json).collect();
            out.object(&json!({ "digest": policies.digest(), "rules": rules, "operations": policies.operations().collect::<Vec<_>>() }));
            return Ok(Exit::Ok);
        }
        for set in Set::ALL {
            out.line(paint(STRONG, set.as_str()));
            for rule in policies.rules().iter().filter(|rule| rule.folder == set) {
                let actions: Vec<&str> = rule.actions().map(|name| &**name).collect();
                out.line(format!("  {}  {}", rule.id, paint(FAINT, &rule.at)));
                out.line(format!("    {}", actions.join(", ")));
                if let Some(reason) = &rule.reason {
                    out.line(format!("    {}", plain(reason)));
                }
            }
        }
        for name in policies.never_allowed() {
            out.line(format!("{} {name}: no rule allows it", paint(WAIT, "denied")));
        }
        Ok(Exit::Ok)
    }
}

fn rule_json(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "set": rule.folder.as_str(),
        "at": rule.at,
        "reason": rule.reason,
        "operations": rule.actions().collect::<Vec<_>>(),
        "reads": rule.reads().collect::<Vec<_>>(),
        "terms": rule.terms,
    })
}

impl Test {
    fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let (sources, project) = opened(scene, &self.folder)?;
        let policies = policies(&project);
        let mut complaints = Complaints::new();
        let cases = cases::read(&sources, &project, policies, &mut complaints);
        if complaints.has_errors() {
            let source = |one: &Complaint| sources.get(&one.file).cloned();
            return Err(refused(scene, "the cases cannot be judged".to_owned(), complaints.into_sorted(), source));
        }
        let judged: Vec<Judged<'_>> = cases.iter().map(|case| case.judge(policies)).collect();
        let coverage = cases::coverage(policies, &judged);
        let wrong = judged.iter().filter(|one| one.wrong.is_some()).count();
        if scene.out.json {
            scene.out.object(&json!({
                "ok": wrong == 0,
                "cases": judged.iter().map(judged_json).collect::<Vec<_>>(),
                "coverage": coverage.iter().map(coverage_json).collect::<Vec<_>>(),
            }));
        } else {
            told(scene, &judged, &coverage);
        }
        Ok(if wrong == 0 { Exit::Ok } else { Exit::Project })
    }
}

fn told(scene: &Scene, judged: &[Judged<'_>], coverage: &[Coverage<'_>]) {
    let out = &scene.out;
    for one in judged {
        let name = plain(&one.case.name);
        match &one.wrong {
            None => out.line(format!("{} {name}  {}", paint(GOOD, "ok"), paint(FAINT, outcome(&one.decision)))),
            Some(wrong) => {
                out.line(format!("{} {name}  {}\n   {wrong}", paint(BAD, "wrong"), paint(FAINT, &one.case.at)))
            }
        }
    }
    let decided = coverage.iter().filter(|one| one.decided > 0).count();
    for one in coverage.iter().filter(|one| !one.missing.is_empty()) {
        out.line(format!(
            "{} {}: {}  {}",
            paint(WAIT, "unshown"),
            one.rule.id,
            one.missing.join(", "),
            paint(FAINT, &one.rule.at)
        ));
    }
    let wrong = judged.iter().filter(|one| one.wrong.is_some()).count();
    out.line(format!(
        "{}, {wrong} wrong; {decided} of {} decided something",
        count(judged.len() as u64, "case"),
        count(coverage.len() as u64, "rule")
    ));
}

/// `deny by pay.cap`.
fn outcome(decision: &Decision) -> String {
    format!("{} by {}", decision.as_str(), decision.rule())
}

fn judged_json(one: &Judged<'_>) -> Value {
    json!({
        "case": one.case.name,
        "at": one.case.at,
        "ok": one.wrong.is_none(),
        "wrong": one.wrong,
        "decision": decision_json(&one.decision),
    })
}

fn coverage_json(one: &Coverage<'_>) -> Value {
    json!({ "rule": one.rule.id, "decided": one.decided, "missing": one.missing })
}

fn decision_json(decision: &Decision) -> Value {
    let (terms, why) = match decision {
        Decision::Allow { .. } => (None, None),
        Decision::Ask { terms, .. } => (Some(terms), None),
        Decision::Deny { why, .. } => (None, Some(why)),
    };
    let matched = |rule: &Matched| {
        let values: Vec<Value> =
            rule.values.iter().map(|(name, value)| json!({ "name": name, "value": value.to_serde() })).collect();
        json!({ "id": rule.id, "at": rule.at, "reason": rule.reason, "values": values })
    };
    json!({
        "verdict": decision.as_str(),
        "rule": decision.rule(),
        "why": why,
        "terms": terms,
        "matched": decision.matched().iter().map(matched).collect::<Vec<_>>(),
    })
}

impl Explain {
    fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let (_, project) = opened(scene, &self.folder)?;
        let policies = policies(&project);
        let name = self.request.display().to_string();
        let text = fs::read_to_string(&self.request)
            .map_err(|error| CliError::io(format!("the request {name} cannot be read"), error))?;
        let mut complaints = Complaints::new();
        let node = complaints.take(yaml::parse(&name.as_str().into(), &text));
        let sample = node.and_then(|node| Sample::read(&node, &project, policies, &mut complaints));
        let Some(sample) = sample else {
            let what = format!("the request {name} cannot be judged");
            return Err(refused(scene, what, complaints.into_sorted(), |_| Some(text.as_str().into())));
        };
        let request = sample.request();
        let action = format!("{}.{}", request.tool, request.operation);
        let explained = policies.explain(&sample);
        let became = (explained.outcome(), explained.rule().to_owned());
        let Explained { decision, without, could, beneath, .. } = explained;
        let without: Vec<(&Matched, Then)> = decision.matched().iter().zip(without).collect();
        if scene.out.json {
            let without: Vec<Value> = without
                .iter()
                .map(|(rule, then)| json!({ "without": rule.id, "verdict": then.outcome, "rule": then.rule }))
                .collect();
            scene.out.object(&json!({
                "decision": decision_json(&decision),
                "changes": without,
                "outcome": { "verdict": became.0, "rule": became.1, "why": beneath.as_ref().map(|one| &one.why) },
                "could_allow": could.iter().map(|rule| rule_json(rule)).collect::<Vec<_>>(),
                "policy": policies.digest(),
            }));
        } else {
            if let Some(Beneath { rule, why }) = &beneath {
                scene.out.line(format!("{} {action}  by {rule}, which every project has", paint(BAD, "deny")));
                scene.out.line(format!("  {}\n\nby the rules of the project:", plain(why)));
            }
            told_why(scene, policies, &action, &decision, &without, &could);
        }
        Ok(Exit::Ok)
    }
}

fn told_why(
    scene: &Scene,
    policies: &Policies,
    action: &str,
    decision: &Decision,
    without: &[(&Matched, Then)],
    could: &[&Rule],
) {
    let out = &scene.out;
    let style = match decision {
        Decision::Allow { .. } => GOOD,
        Decision::Ask { .. } => WAIT,
        Decision::Deny { .. } => BAD,
    };
    out.line(format!("{} {action}  by {}", paint(style, decision.as_str()), decision.rule()));
    if let Decision::Deny { why, .. } = decision {
        out.line(format!("  {}", plain(why)));
    }
    for rule in decision.matched() {
        out.line(format!("\n{}  {}", paint(STRONG, &rule.id), paint(FAINT, &rule.at)));
        if let Some(reason) = &rule.reason {
            out.line(format!("  {}", plain(reason)));
        }
        for (name, value) in &rule.values {
            out.line(format!("  {name} = {}", plain(&value.to_json())));
        }
        if let Some(written) = policies.rule(&rule.id) {
            quoted(scene, written);
        }
    }
    for (rule, then) in without {
        out.line(format!("without `{}`: {} by {}", rule.id, then.outcome, then.rule));
    }
    if decision.rule() == NOT_ALLOWED {
        out.line(match could.is_empty() {
            true => "no rule in policies/allow/ can match: write one",
            false => "it would be allowed if one of these matched:",
        });
    }
    for rule in could {
        out.line(format!("\n{}  {}", paint(STRONG, &rule.id), paint(FAINT, &rule.at)));
        quoted(scene, rule);
    }
}

fn quoted(scene: &Scene, rule: &Rule) {
    for line in rule.text.lines() {
        scene.out.line(format!("  {} {}", paint(FAINT, "|"), plain(line)));
    }
}
