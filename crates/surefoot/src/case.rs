//! Cases: what a workflow does with an input, if models, tools and people answer so. Written by hand or recorded from a run, and run in
//! memory: the project's own rules judge, its own functions compute, and nothing else is asked.

mod compare;
mod read;
mod record;
mod script;
mod update;
mod write;

use std::{collections::BTreeMap, sync::Arc};

use gateway::model::{rules::Rules, scripted::Script as Answers};
use kernel::{
    governance::{
        charter::{Change, Charter},
        people::PEOPLE_FILE,
    },
    ids::Digest,
    journal::{End, Event},
    next::Suspend,
    recovery::Response,
    values::{Timestamp, Value},
    workflow::{
        Program,
        project::{Project, Provider, Sources},
    },
};

pub(crate) use self::{
    compare::Difference,
    read::{is_case, read},
    record::{Below, Real, Recorded, record},
    script::{Playing, Script, replied},
    update::updated,
};
use crate::trial::{Beginning, Natives, Part, Rest, Trial, people::People, people::Says};

/// What a project brings to each of its cases. Made once, shared by all that run.
pub(crate) struct Setting {
    pub sources: Sources,
    pub project: Project,
    pub natives: Natives,
    charter: Charter,
    /// Models that follow rules, and those that say what a file says: both answer by themselves.
    rules: BTreeMap<Arc<str>, Rules>,
    answers: BTreeMap<Arc<str>, Answers>,
}

/// One case.
#[derive(Debug)]
pub(crate) struct Case {
    /// What it shows, in its author's words.
    pub name: Arc<str>,
    /// Its file within the project.
    pub file: Arc<str>,
    pub program: Arc<Program>,
    pub beginning: Beginning,
    pub script: Script,
    pub says: Vec<Says>,
    pub expect: Expect,
}

/// What must come of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expect {
    /// Something is expected at all.
    pub any: bool,
    /// The line of `expect:`, or of the case.
    pub line: u32,
    pub status: Option<(&'static str, u32)>,
    pub waits_for: Option<(Arc<str>, u32)>,
    pub failure: Option<(Arc<str>, u32)>,
    pub result: Option<(Value, u32)>,
    pub acts: Option<(Vec<Arc<str>>, u32)>,
    /// The lines, and where the first one stands.
    pub story: Option<(Vec<String>, u32)>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub status: &'static str,
    pub waits_for: Option<String>,
    pub failure: Option<String>,
    pub result: Option<Value>,
    pub acts: Vec<String>,
    pub story: Vec<String>,
    /// What makes the case itself wrong: an answer that is missing, one that nobody asked for.
    pub faults: Vec<String>,
}

/// How a part of a workflow, or all of it, can stand at the end.
pub(crate) const STATUSES: [&str; 7] = ["completed", "failed", "cancelled", "waiting", "paused", "done", "left"];

impl Setting {
    /// Makes the rules of the project known, and reads the files of models that answer by themselves.
    ///
    /// # Errors
    /// A file that `check` would have refused: one sentence.
    pub(crate) fn new(sources: Sources, project: Project, natives: Natives) -> Result<Setting, String> {
        let charter = charter(&sources, &project)?;
        let (mut rules, mut answers) = (BTreeMap::new(), BTreeMap::new());
        let said = |complaints: Vec<kernel::complaint::Complaint>| {
            complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        for (name, model) in &project.file.models {
            match &model.provider {
                Provider::Rules { file } => {
                    rules.insert(name.clone(), Rules::parse(file, &sources).map_err(said)?);
                }
                Provider::Scripted { answers: file } => {
                    let text = sources.get(file).map_or("", |text| text);
                    answers.insert(name.clone(), Answers::parse(file, text).map_err(said)?);
                }
                Provider::Remote(_) | Provider::Registered => {}
            }
        }
        Ok(Setting { sources, project, natives, charter, rules, answers })
    }

    /// A run of this program from this beginning.
    ///
    /// # Errors
    /// It cannot begin so: sentences.
    pub(crate) fn begin<'s>(&'s self, program: &'s Program, beginning: &Beginning) -> Result<Trial<'s>, Vec<String>> {
        self.begin_under(&self.charter, program, beginning)
    }

    /// The same under other rules than the project's.
    ///
    /// # Errors
    /// As [`Setting::begin`].
    pub(crate) fn begin_under<'s>(
        &'s self,
        charter: &'s Charter,
        program: &'s Program,
        beginning: &Beginning,
    ) -> Result<Trial<'s>, Vec<String>> {
        let mut trial = Trial::begin(program, (charter, &self.natives), &self.project.file.name, beginning)?;
        trial.programs = Some(&self.project.workflows);
        Ok(trial)
    }

    /// The rules with one more: this step may not do this.
    pub(crate) fn denying(&self, workflow: &str, step: &str, action: &str) -> Option<Charter> {
        self.project.policies.as_ref()?;
        let rule = format!(
            "@id(\"rehearsal.denied\") @reason(\"The rehearsal denies it\")\n\
             forbid (principal == Step::\"{workflow}/{step}\", action == Action::\"{action}\", resource);\n"
        );
        let mut sources = self.sources.clone();
        sources.files.insert("policies/never/rehearsal.cedar".into(), rule.into());
        let project = kernel::workflow::project::check(&sources).project?;
        charter(&sources, &project).ok()
    }

    /// What a model says that needs nobody: `None`, if it is not of that kind.
    pub(crate) fn by_itself(&self, request: &kernel::context::ModelRequest) -> Option<gateway::Reply> {
        let rules = self.rules.get(&request.model).map(|rules| rules.reply(request));
        rules.or_else(|| self.answers.get(&request.model).map(|answers| answers.reply(request)))
    }
}

/// The project's policies, people and limits, as a store would hold them after a deployment.
fn charter(sources: &Sources, project: &Project) -> Result<Charter, String> {
    let name = &project.file.name;
    let policies = project.policies.as_ref().map(|policies| (policies.digest(), policies.to_bytes().to_vec()));
    let people = sources.get(PEOPLE_FILE).map(|text| (Digest::of(&[text.as_bytes()]), text.as_bytes().to_vec()));
    let changes = [
        (
            Change::Policies { project: name.clone(), digest: policies.as_ref().map(|(digest, _)| *digest) },
            policies.map(|(_, bytes)| bytes),
        ),
        (
            Change::People { project: name.clone(), digest: people.as_ref().map(|(digest, _)| *digest) },
            people.map(|(_, bytes)| bytes),
        ),
        (project.file.limits(), None),
    ];
    let mut charter = Charter::default();
    let by = "case".into();
    for (change, content) in changes {
        let made = (&by, Timestamp::default());
        let applied = charter.apply(charter.generation + 1, &change, made, content.as_deref());
        applied.map_err(|why| why.to_string())?;
    }
    Ok(charter)
}

impl Case {
    /// Runs it.
    pub(crate) fn play(&self, setting: &Setting) -> Outcome {
        self.played(setting).0
    }

    /// Runs it, and gives what happened besides.
    pub(crate) fn played<'s>(&'s self, setting: &'s Setting) -> (Outcome, Option<Trial<'s>>) {
        let mut trial = match setting.begin(&self.program, &self.beginning) {
            Ok(trial) => trial,
            Err(why) => {
                let faults = vec![format!("{}: it cannot begin: {}", self.file, why.join("; "))];
                return (Outcome { status: "not begun", faults, ..Outcome::default() }, None);
            }
        };
        let mut people = People::new(self.says.clone(), !self.stops_when_asked());
        let mut script = self.script.playing(setting, &self.file);
        let rest = trial.drive(&mut script, &mut people);
        let mut outcome = outcome(&trial, rest, &self.beginning.part);
        outcome.faults.extend(script.left());
        outcome.faults.extend(
            people.unsaid().iter().map(|says| {
                format!("{}: nobody had the occasion to say this: what it is about was never asked", says.at)
            }),
        );
        if let Err(found) = trial.audit() {
            outcome.faults.push(format!("{}: its evidence does not hold: {found}", self.file));
        }
        (outcome, Some(trial))
    }

    /// Whether it ends where somebody is asked and nothing more is said.
    pub(crate) fn stops_when_asked(&self) -> bool {
        self.expect.status.is_some_and(|(status, _)| matches!(status, "waiting" | "paused"))
    }
}

fn outcome(trial: &Trial<'_>, rest: Rest, part: &Part) -> Outcome {
    let mut outcome = Outcome { acts: trial.acts(), story: told(&trial.events[trial.given..]), ..Outcome::default() };
    match rest {
        Rest::Over => {
            let end = trial.state.end.as_ref();
            outcome.status = match end.map(|end| end.end) {
                Some(End::Completed) => "completed",
                Some(End::Cancelled) => "cancelled",
                _ => "failed",
            };
            outcome.failure = end.and_then(|end| end.failure.as_ref()).map(|failure| failure.kind.as_str().to_owned());
            outcome.result = end.and_then(|end| end.result.as_ref()).map(|held| trial.value(held));
        }
        Rest::Done => {
            outcome.status = "done";
            outcome.result = value_of(trial, part);
        }
        Rest::Left => outcome.status = "left",
        Rest::Waits(Suspend { waits_for, paused, .. }) => {
            outcome.status = if paused { "paused" } else { "waiting" };
            outcome.waits_for = Some(plainly(&waits_for));
        }
        Rest::Silent(why) => {
            outcome.status = "nowhere";
            outcome.faults.push(format!("the run is stuck, and this would be a bug: {why}"));
        }
        Rest::Unanswered(why) => {
            outcome.status = "unanswered";
            outcome.faults.push(why);
        }
        Rest::Died => outcome.status = "dead",
    }
    outcome
}

/// What a part gave: the step's value, or that of the last step of a stage that gave one.
fn value_of(trial: &Trial<'_>, part: &Part) -> Option<Value> {
    let gave = |event: &Event| {
        let (step, output) = event.completes()?;
        let fits = match part {
            Part::Step(name) => step.name() == &**name,
            _ => !step.as_str().contains('/'),
        };
        Some(trial.value(output.filter(|_| fits)?))
    };
    trial.events.iter().rev().find_map(gave)
}

/// The journal as it is printed, without what differs from run to run: times, ids, digests.
pub(crate) fn told(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| plainly(&kernel::story::line(event))).collect()
}

/// A line without times, ids and digests.
pub(crate) fn plainly(line: &str) -> String {
    let line = line.split(" of bundle ").next().unwrap_or(line);
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        if let Some((len, word)) = changing(rest, out.chars().last()) {
            out.push_str(word);
            rest = &rest[len..];
        } else {
            out.push(if next.is_control() { ' ' } else { next });
            rest = &rest[next.len_utf8()..];
        }
    }
    out.trim_end().to_owned()
}

/// How many bytes at the beginning say what no two runs have alike, and what is written for them.
fn changing(text: &str, before: Option<char>) -> Option<(usize, &'static str)> {
    let bytes = text.as_bytes();
    let count = |from: usize, fits: fn(&u8) -> bool| bytes[from..].iter().take_while(|byte| fits(byte)).count();
    // The end of a longer word is no word.
    if !text.starts_with(' ') && before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
        return None;
    }
    if bytes.first().is_some_and(u8::is_ascii_digit)
        && bytes.len() >= 20
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes[10] == b'T'
        && bytes[..4].iter().all(u8::is_ascii_digit)
    {
        let len = 11 + count(11, |byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
        return bytes.get(len).is_some_and(|byte| *byte == b'Z').then_some((len + 1, "TIME"));
    }
    if text.starts_with("run_") {
        let hex = count(4, u8::is_ascii_hexdigit);
        return (hex == 32).then_some((36, "RUN"));
    }
    if text.starts_with(" (apr_") || text.starts_with(" (wrk_") {
        let len = 6 + count(6, u8::is_ascii_hexdigit);
        return (bytes.get(len) == Some(&b')')).then_some((len + 1, ""));
    }
    if text.starts_with(" bytes, ") {
        let len = count(0, |byte| *byte != b'>');
        return (bytes.get(len) == Some(&b'>')).then_some((len, " bytes"));
    }
    None
}

/// What is done about a failure, in one word: for comparing two stories of one run.
pub(crate) fn kind_of(event: &Event) -> String {
    let json = serde_json::to_value(event).unwrap_or_default();
    let name = json.get("event").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let step = event.step().map(|step| format!(" {step}")).unwrap_or_default();
    let more = match event {
        Event::FailureAnswered { response: Response::Stage { stage }, .. } => format!(" stage {stage}"),
        Event::StepFailed { failure, .. } => format!(" {}", failure.kind),
        Event::RunFinished { end, .. } => format!(" {end:?}"),
        _ => String::new(),
    };
    format!("{name}{step}{more}")
}

#[cfg(test)]
mod tests;
