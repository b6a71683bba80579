//! What workflows of one project promise each other: checked on both sides when all of them are read.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use crate::{
    complaint::{Complaint, Complaints, Place, did_you_mean},
    governance::labels::Flows,
    step::{Kind, Step, specialist::Specialist},
    tool::Tool,
    types::Type,
    workflow::Program,
};

/// Complains about handoffs to workflows that do not fit. `names` are those of all workflows, also of those with mistakes.
pub(super) fn check(
    programs: &BTreeMap<Arc<str>, Program>,
    names: &BTreeSet<Arc<str>>,
    flows: &BTreeMap<Arc<str>, Flows>,
    complaints: &mut Complaints,
) {
    for program in programs.values() {
        program.each_step(&mut |step| {
            let Kind::Specialist(specialist) = &step.kind else { return };
            let check = Check { from: program, specialist, complaints };
            check.run(programs, names, flows);
        });
    }
    circles(programs, complaints);
}

/// A handoff that every run of a workflow comes to, unless it fails before.
struct Certain<'p> {
    step: &'p Arc<str>,
    to: &'p Arc<str>,
    at: Place,
}

/// The handoffs that every run of this workflow comes to: no `when`, no list that may be empty, and no decision stands before them.
fn certain(program: &Program) -> Vec<Certain<'_>> {
    fn walk<'p>(steps: &'p [Step], found: &mut Vec<Certain<'p>>) {
        for step in steps.iter().filter(|step| step.when.is_none()) {
            match &step.kind {
                Kind::Specialist(specialist) => {
                    found.push(Certain { step: &step.name, to: &specialist.to, at: specialist.at });
                }
                Kind::Repeat(repeat) => walk(&repeat.steps, found),
                Kind::Parallel(parallel) => {
                    let always = parallel.branches.iter().filter(|branch| branch.when.is_none());
                    always.for_each(|branch| walk(&branch.steps, found));
                }
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    let always = program.stages.iter().filter(|stage| program.order.contains(&stage.name));
    always.for_each(|stage| walk(&stage.steps, &mut found));
    found
}

/// Complains about work that goes round without anything on the way that could end it. Each circle is told once, where the first of
/// its workflows hands on.
fn circles(programs: &BTreeMap<Arc<str>, Program>, complaints: &mut Complaints) {
    let hands: BTreeMap<&Arc<str>, Vec<Certain<'_>>> =
        programs.iter().map(|(name, program)| (name, certain(program))).collect();
    for first in programs.keys() {
        // Only by way of workflows behind the first: a circle begins with its first name. The shortest way round is told.
        let mut ways: VecDeque<Vec<(&Arc<str>, &Certain<'_>)>> = VecDeque::from([Vec::new()]);
        let mut been = BTreeSet::from([first]);
        while let Some(way) = ways.pop_front() {
            let here = way.last().map_or(first, |(_, one)| one.to);
            for one in hands.get(here).into_iter().flatten() {
                let mut longer = way.clone();
                longer.push((here, one));
                if one.to == first {
                    complaints.push(circle(&longer, programs));
                    ways.clear();
                    break;
                }
                if one.to > first && been.insert(one.to) {
                    ways.push_back(longer);
                }
            }
        }
    }
}

fn circle(way: &[(&Arc<str>, &Certain<'_>)], programs: &BTreeMap<Arc<str>, Program>) -> Complaint {
    let told = way.iter().map(|(from, one)| {
        let file = &programs[*from].file;
        format!("`{from}` hands to `{}` (step `{}`, {file}:{})", one.to, one.step, one.at.line)
    });
    let told: Vec<String> = told.collect();
    let (from, one) = way[0];
    let message = format!("work goes round and nothing on the way ends it: {}", told.join(", "));
    let hint = "write a `when` on one of these steps: without it work is handed on until it is 8 deep, and fails";
    Complaint::new("W241", &programs[from].file, one.at, message).hint(hint)
}

struct Check<'c> {
    from: &'c Program,
    specialist: &'c Specialist,
    complaints: &'c mut Complaints,
}

impl Check<'_> {
    fn say(&mut self, id: &'static str, at: Place, message: String, hint: Option<String>) {
        self.complaints.push(Complaint::new(id, &self.from.file, at, message).or_hint(hint));
    }

    fn run(
        mut self,
        programs: &BTreeMap<Arc<str>, Program>,
        names: &BTreeSet<Arc<str>>,
        flows: &BTreeMap<Arc<str>, Flows>,
    ) {
        let specialist = self.specialist;
        let named = self.tools(&self.from.tools);
        let Some(to) = programs.get(&specialist.to) else {
            if !names.contains(&specialist.to) {
                let hint = did_you_mean(&specialist.to, names.iter().map(|name| &**name));
                self.say("W185", specialist.at, format!("there is no workflow `{}`", specialist.to), hint);
            }
            return;
        };
        let Some(input) = &to.input else {
            let message = format!("workflow `{}` does not say what it works on", to.name);
            let hint =
                format!("write `input: schemas/….yaml` in {}: what is handed over is checked against it", to.file);
            self.say("W186", specialist.at, message, Some(hint));
            return;
        };
        if let Some(why) = input.ty().refusal(&specialist.with_type) {
            let message = format!("what is handed over does not fit the input of workflow `{}`: {why}", to.name);
            self.say("W186", specialist.with_at, message, None);
        }
        let given = match &to.result {
            Some(result) => result.schema.as_ref().map_or_else(|| result.ty.clone(), |schema| schema.ty().clone()),
            None => Type::Null,
        };
        if let Some(why) = specialist.contract.ty().refusal(&given) {
            let message = format!("the result of workflow `{}` does not fit the contract: {why}", to.name);
            let hint = to.result.is_none().then(|| format!("{} has no `result:`", to.file));
            self.say("W187", specialist.contract_at, message, hint);
        }
        let claims = flows.get(&to.name).map(|flows| flows.claims.as_slice()).unwrap_or_default();
        if let (Some(first), false) = (claims.first(), specialist.claims) {
            let what = if first.is_empty() { "its result".to_owned() } else { format!("`{first}` of its result") };
            let more = if claims.len() > 1 { format!(", and {} more", claims.len() - 1) } else { String::new() };
            let message = format!("only facts cross, and nothing in workflow `{}` verifies {what}{more}", to.name);
            let hint = format!(
                "write `accept: claims` to take it as a claim, labelled `unverified`; or prove the act that it comes from in {} with a \
                 `verify` step that `done_when` demands",
                to.file
            );
            self.say("W188", specialist.contract_at, message, Some(hint));
        }
        if named {
            self.bounds(to);
        }
    }

    /// Whether each name of the scope is a tool, or an operation of one.
    fn tools(&mut self, tools: &BTreeMap<Arc<str>, Arc<Tool>>) -> bool {
        let mut all_known = true;
        for (name, at) in &self.specialist.tools_at {
            let known = match name.split_once('.') {
                None => tools.contains_key(name),
                Some((tool, operation)) => {
                    tools.get(tool).is_some_and(|tool| tool.operations.keys().any(|one| **one == *operation))
                }
            };
            if known {
                continue;
            }
            all_known = false;
            let of = |(name, tool): (&Arc<str>, &Arc<Tool>)| {
                let operations: Vec<String> = tool.operations.keys().map(|one| format!("{name}.{one}")).collect();
                std::iter::once(name.to_string()).chain(operations).collect::<Vec<_>>()
            };
            let all: Vec<String> = tools.iter().flat_map(of).collect();
            let hint = did_you_mean(name, all.iter().map(String::as_str));
            self.say("W189", *at, format!("there is no tool or operation `{name}`"), hint);
        }
        all_known
    }

    /// An act of the other workflow that its scope does not hold would always be denied.
    fn bounds(&mut self, to: &Program) {
        let (specialist, from) = (self.specialist, self.from);
        let at = specialist.tools_at.first().map_or(specialist.at, |(_, at)| *at);
        let mut outside = Vec::new();
        to.each_step(&mut |step| {
            let Some(act) = step.call() else { return };
            if !specialist.scope.admits(&act.tool.name, &act.operation) {
                outside.push((step.name.clone(), format!("{}.{}", act.tool.name, act.operation)));
            }
        });
        for (step, called) in outside {
            let message = format!("step `{step}` of workflow `{}` calls `{called}`, which this scope denies", to.name);
            let hint = "add it to `tools`, if the work needs it";
            self.complaints.push(Complaint::new("W190", &from.file, at, message).hint(hint).warning());
        }
    }
}
