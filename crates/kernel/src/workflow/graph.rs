//! A workflow drawn as a tree of text.

use std::fmt::Write as _;

use crate::{
    recovery::{FailureKind, Recovery},
    step::{Kind, Step},
    workflow::{Listed, Program, Recoveries, Stage},
};

/// The tree: stages in order, steps, branches, and below a `decide` the stages that it may choose.
pub fn draw(program: &Program) -> String {
    let mut out = format!("{} · {}\n", program.name, program.title);
    let stages: Vec<&Stage> = program.order.iter().filter_map(|name| program.stage(name)).collect();
    let apart: Vec<&Stage> = program.stages.iter().filter(|stage| !program.order.contains(&stage.name)).collect();
    let count = stages.len() + apart.len();
    for (place, stage) in stages.iter().chain(&apart).enumerate() {
        let last = place + 1 == count;
        let chosen = if program.order.contains(&stage.name) { "" } else { "  (only when chosen)" };
        let line = format!("stage {}{chosen}{}", stage.name, back(&stage.on_failure));
        let _ = writeln!(out, "{} {line}", if last { "└─" } else { "├─" });
        steps(&mut out, &stage.steps, if last { "   " } else { "│  " });
    }
    out
}

/// The checkpoints to which its recoveries return.
fn back(lists: &Recoveries) -> String {
    let to = |(kind, list): (&FailureKind, &Listed)| {
        let step =
            list.iter().find_map(|item| if let Recovery::ReturnTo { step, .. } = item { Some(step) } else { None })?;
        Some(format!("  ↩ {step} on {kind}"))
    };
    lists.iter().filter_map(to).collect()
}

fn steps(out: &mut String, list: &[Step], indent: &str) {
    for (place, step) in list.iter().enumerate() {
        let last = place + 1 == list.len();
        let when = step.when.as_ref().map_or_else(String::new, |when| format!("  when {}", when.source()));
        let checkpoint = if step.checkpoint { "  (checkpoint)" } else { "" };
        let line = format!("{}  {}{when}{checkpoint}{}", step.name, what(step), back(&step.on_failure));
        let _ = writeln!(out, "{indent}{} {line}", if last { "└─" } else { "├─" });
        let below = format!("{indent}{}", if last { "   " } else { "│  " });
        if let Kind::Decide(decide) = &step.kind {
            for (when, to) in decide.told() {
                let _ = writeln!(out, "{below}├─ {when} → {}", then(to));
            }
            let _ = writeln!(out, "{below}└─ otherwise → {}", then(&decide.otherwise));
        }
        let bodies = step.bodies();
        for (number, (branch, body)) in bodies.iter().enumerate() {
            match branch {
                None => steps(out, body, &below),
                Some(name) => {
                    let last = number + 1 == bodies.len();
                    let _ = writeln!(out, "{below}{} {name}", if last { "└─" } else { "├─" });
                    steps(out, body, &format!("{below}{}", if last { "   " } else { "│  " }));
                }
            }
        }
    }
}

/// Where a decision goes on.
pub fn then(stages: &[std::sync::Arc<str>]) -> String {
    if stages.is_empty() { "next".to_owned() } else { stages.join(", ") }
}

/// What a step does, in words.
pub fn what(step: &Step) -> String {
    match &step.kind {
        Kind::Reason(reason) => format!("reason by {}", reason.model),
        Kind::Act(act) => {
            let undo = act.undo.as_ref().map(|undo| format!(", undo {}.{}", undo.tool.name, undo.operation));
            let keep = if act.keep { ", kept" } else { "" };
            format!("act {}.{}{}{keep}", act.tool.name, act.operation, undo.unwrap_or_default())
        }
        Kind::Agent(agent) => {
            let granted: Vec<String> = agent.granted.iter().map(crate::step::proposals::Granted::action).collect();
            let (by, tools) = (&agent.asks().model, granted.join(", "));
            format!("agent by {by}, may {tools}, at most {} turns and {} actions", agent.turns, agent.actions)
        }
        Kind::Plan(plan) => {
            let granted: Vec<String> = plan.granted.iter().map(crate::step::proposals::Granted::action).collect();
            let reviewed = match &plan.review {
                None => String::new(),
                Some(review) => {
                    let when = review.when.as_ref().map(|when| format!(" when {}", when.source())).unwrap_or_default();
                    let by = if let Kind::Approve(approve) = &review.step.kind {
                        approve.of.join(" or ")
                    } else {
                        String::new()
                    };
                    format!(", reviewed by {by}{when}")
                }
            };
            let (by, tools, most) = (&plan.asks().model, granted.join(", "), plan.actions);
            format!("plan by {by} of {tools}, at most {most} actions{reviewed}")
        }
        Kind::Each(each) => format!("each {} as {}", each.list.source(), each.name),
        Kind::Repeat(repeat) => match &repeat.until {
            Some(until) => format!("repeat until {}, at most {} turns", until.source(), repeat.max),
            None => format!("repeat {} turns", repeat.max),
        },
        Kind::Wait(wait) => {
            let mut parts = Vec::new();
            if !wait.signals.is_empty() {
                parts.push(format!("signal {}", wait.signals.join(" or ")));
            }
            parts.extend(wait.span.map(|span| span.to_string()));
            parts.extend(wait.events.iter().map(|event| format!("event {}", event.name)));
            parts.extend(wait.until.iter().map(|until| format!("until {}", until.source())));
            format!("wait {}", parts.join(" or "))
        }
        Kind::Approve(approve) => format!("approve by {}", approve.of.join(" or ")),
        Kind::Handoff(handoff) => format!("handoff to {}", handoff.to),
        Kind::Specialist(specialist) => format!("handoff to workflow {}", specialist.to),
        Kind::Verify(verify) => {
            let proves = verify.proves.as_ref().map(|step| format!(" {step}")).unwrap_or_default();
            let by = verify.read.as_ref().map(|read| format!(" by {}.{}", read.tool.name, read.operation));
            format!("verify{proves}{}: {}", by.unwrap_or_default(), verify.holds.source())
        }
        Kind::Native(native) => format!("native {}", native.function),
        Kind::Emit(emit) => format!("emit {}", emit.event.name),
        Kind::Decide(decide) => match &decide.table {
            Some(tabled) => format!("decide by {}", tabled.table.file),
            None => step.kind().to_owned(),
        },
        Kind::Set(_) | Kind::Parallel(_) => step.kind().to_owned(),
    }
}
