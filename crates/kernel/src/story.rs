//! One line an event, for people: what the terminal, a log and a test print.

use crate::{
    cache::{Saved, Source},
    governance::{Verdict, approval::Terms},
    ids::StepPath,
    journal::{
        ApprovalEnd, BodyResult, ChildEnd, Claimed, Control, End, Event, Fork, Held, ProbeResult, Proof, Report,
        Resolution, Standing, StepResult, Topic, WorkEnd,
    },
    recovery::{Failure, Response},
    run::ASK,
    unsure::Onward,
    values::{Span, Value},
};

/// What a result that is used again had cost: ", saved 2 calls, 412 tokens, $0.0031".
fn spared(saved: &Saved) -> String {
    if saved.is_nothing() {
        return String::new();
    }
    let Saved { calls, tokens, money_uusd } = saved;
    let mut all = format!(", saved {calls} call{}", if *calls == 1 { "" } else { "s" });
    if *tokens > 0 {
        all.push_str(&format!(", {tokens} tokens"));
    }
    if *money_uusd > 0 {
        all.push_str(&format!(", ${}.{:06}", money_uusd / 1_000_000, money_uusd % 1_000_000));
    }
    all
}

/// Longest value that a line shows, in characters.
const SHOWN: usize = 72;

/// What a wait waits for besides time: "signal paid or event order.paid 7".
pub fn awaited(signals: &[std::sync::Arc<str>], events: &[Topic]) -> Option<String> {
    let signals = (!signals.is_empty()).then(|| format!("signal {}", signals.join(" or ")));
    let all: Vec<String> =
        signals.into_iter().chain(events.iter().map(|topic| format!("event {}", about(topic)))).collect();
    (!all.is_empty()).then(|| all.join(" or "))
}

fn about(topic: &Topic) -> String {
    if topic.key.is_empty() { topic.event.to_string() } else { format!("{} {}", topic.event, topic.key) }
}

/// What a fork goes on from: "going on from run_1 after entry 7, effects ask".
pub fn forked(fork: &Fork) -> String {
    let of = fork.of().map(|of| format!("from {} after entry {}", of.run, of.entry)).unwrap_or_default();
    let word = if fork.retry { "tries again" } else { "goes on" };
    format!("{word} {of}, effects {}", fork.effects.as_str())
}

/// The event in one line, beginning with its step if it has one.
pub fn line(event: &Event) -> String {
    match event {
        Event::RunStarted { workflow, bundle, fork, .. } => {
            let from = fork.as_ref().map(|fork| format!(", {}", forked(fork))).unwrap_or_default();
            format!("run started: {workflow} of bundle {}{from}", bundle.short())
        }
        Event::StepDone { step, output } => format!("{step}: done {}", held(output)),
        Event::StepSkipped { step } => format!("{step}: skipped"),
        Event::Decided { step, rule, then, by, .. } => {
            let rule = match (by, rule) {
                (Some(by), _) => {
                    let line = by.line.map(|line| format!(":{line}")).unwrap_or_default();
                    let row = by.row.as_ref().map_or_else(|| "otherwise".to_owned(), |row| format!("row {row}"));
                    format!("{row} of {}{line}", by.table)
                }
                (None, Some(rule)) => format!("rule {}", rule + 1),
                (None, None) => "otherwise".to_owned(),
            };
            let then = match by.as_ref().map(|by| &by.gives).filter(|gives| !gives.is_null()) {
                Some(gives) => short(gives),
                None if then.is_empty() => "next".to_owned(),
                None => then.join(", "),
            };
            format!("{step}: decided {then} by {rule}")
        }
        Event::StageDone { stage } => format!("stage {stage} done"),
        Event::EachOpened { step, count, .. } => format!("{step}: over {count} items"),
        Event::ParallelOpened { step, branches } => format!("{step}: branches {}", branches.join(", ")),
        Event::BodyDone { body, result } => match result {
            BodyResult::Gave(output) => format!("{body}: gave {}", held(output)),
            BodyResult::Failed(why) => format!("{body}: failed, {}", failure(why)),
            BodyResult::Dropped => format!("{body}: no longer needed"),
        },
        Event::RepeatOpened { step } => format!("{step}: repeats"),
        Event::AgentOpened { step } => format!("{step}: begins its turns"),
        Event::PlanOpened { step } => format!("{step}: begins to plan"),
        Event::PlanFrozen { step, version, digest, max, .. } => {
            let money = crate::governance::budget::Unit::Money.show(max.money_uusd);
            let calls = crate::governance::budget::Unit::Calls.show(max.calls);
            format!("{step}: version {version} is frozen ({}), {calls} for {money} at most", digest.short())
        }
        Event::TurnDone { body, output, again } => match told(output) {
            Some(told) => format!("{body}: told {told}"),
            None => format!("{body}: gave {}{}", held(output), if *again { "" } else { ", the last turn" }),
        },
        Event::ModelAsked { step, attempt, model, route, manifest, .. } => {
            let of = route.as_ref().map(|route| format!(" of route {route}")).unwrap_or_default();
            format!("{step}: asked model {model}{of}{}, about {} tokens", again(*attempt), manifest.tokens_est)
        }
        Event::ModelAnswered { step, result, claims, unsure, .. } => match result {
            StepResult::Done(output) => match proposed(step, output) {
                Some(proposed) => format!("{step}: proposed {proposed}{}", claimed(claims)),
                None => {
                    let doubt = unsure.as_ref().map(|one| format!(", unsure as {}: {}", one.when, onward(&one.then)));
                    format!("{step}: answered {}{}{}", held(output), doubt.unwrap_or_default(), claimed(claims))
                }
            },
            StepResult::Failed(why) => format!("{step}: answer failed, {}{}", failure(why), claimed(claims)),
        },
        Event::AnswerReused { step, output, from, .. } => {
            let Source { run, entry, age } = from;
            let age = Span::from_millis(age.micros() / 1_000_000 * 1_000);
            format!("{step}: answered by entry {entry} of {run}, {age} old: {}", held(output))
        }
        Event::CacheMissed { part, ttl, .. } => format!("{part}: nothing kept; its result will be, for {ttl}"),
        Event::PartReused { part, output, from, saved, .. } => {
            let Source { run, entry, age } = from;
            let age = Span::from_millis(age.micros() / 1_000_000 * 1_000);
            let saved = spared(saved);
            format!("{part}: not done again, given by entry {entry} of {run}, {age} old{saved}: {}", held(output))
        }
        Event::ActionJudged { step, proposal, verdict, .. } => {
            let why = match verdict {
                Verdict::Deny { rule, reason, .. } => format!("denied by {rule}: {reason}"),
                Verdict::Allow { rule, .. } => format!("allowed by {rule}"),
                Verdict::Ask { rule, .. } => format!("asks by {rule}"),
            };
            format!("{step}: {}.{} {why}", proposal.tool, proposal.operation)
        }
        Event::ApprovalRequested { step, approval, proposal, verdict, terms, .. } => {
            let what = proposal.as_ref().map_or_else(String::new, |proposal| {
                format!(" {}.{} {}", proposal.tool, proposal.operation, held(&proposal.with))
            });
            let rule = match verdict {
                Some(Verdict::Ask { rule, .. }) => format!(" by {rule}"),
                _ => String::new(),
            };
            format!("{step}: asks {}{rule} to approve{what} ({approval})", whom(terms))
        }
        Event::VoteReceived { step, vote, approval, .. } => {
            format!("{step}: {} {} ({approval})", vote.by.to_string().trim_matches('`'), vote.decision)
        }
        Event::ApprovalEscalated { step, terms, to: approval, .. } => {
            format!("{step}: nobody decided in time; asks {} ({approval})", whom(terms))
        }
        Event::ApprovalEnded { step, end, .. } => match end {
            ApprovalEnd::Superseded => format!("{step}: what was decided no longer fits; it is judged anew"),
            ApprovalEnd::Edited { with, by } => format!("{step}: {by} changed it to {}", held(with)),
            ApprovalEnd::Failed { failure: why, .. } => format!("{step}: {}", failure(why)),
            ApprovalEnd::Gave { output, .. } => format!("{step}: decided {}", held(output)),
        },
        Event::ActionStarted { step, proposal, .. } => {
            format!("{step}: started {}.{} {}", proposal.tool, proposal.operation, held(&proposal.with))
        }
        Event::ActionResent { step, attempt, .. } => format!("{step}: sent again{}", again(*attempt)),
        Event::ActionFinished { step, result: StepResult::Done(_), proof: Some(proof), .. } => verified(step, proof),
        Event::ClaimVerified { step, proof } => verified(step, proof),
        Event::ActionFinished { step, result, .. } => match result {
            StepResult::Done(output) => format!("{step}: finished {}", held(output)),
            StepResult::Failed(why) => format!("{step}: action failed, {}", failure(why)),
        },
        Event::OutcomeUnknown { step, failure: why, probe_at, .. } => match probe_at {
            Some(at) => format!("{step}: outcome unknown, {}; a probe asks at {at}", failure(why)),
            None => format!("{step}: outcome unknown, {}; a person must resolve it", failure(why)),
        },
        Event::ProbeStarted { step, probe } => format!("{step}: probe {probe} asks whether it was performed"),
        Event::ProbeFinished { step, result, .. } => match result {
            ProbeResult::Found(output) => format!("{step}: the probe found it performed {}", held(output)),
            ProbeResult::Absent => format!("{step}: the probe found that it was not performed"),
            ProbeResult::Unclear { failure: why, .. } => format!("{step}: the probe cannot tell, {}", failure(why)),
        },
        Event::LateAnswerReceived { step, attempt, result, .. } => match result {
            StepResult::Done(output) => format!("{step}: sending {attempt} was answered late {}", held(output)),
            StepResult::Failed(why) => format!("{step}: sending {attempt} was answered late, {}", failure(why)),
        },
        Event::EffectResolved { step, attempt, resolution, by, reason, .. } => {
            let what = match resolution {
                Resolution::Performed { .. } => "was performed",
                Resolution::NotPerformed => "was not performed",
                Resolution::GivenUp => "stays unknown",
            };
            let it = attempt.map_or_else(|| "it".to_owned(), |attempt| format!("sending {attempt}"));
            format!("{step}: {by} says that {it} {what}: {reason}")
        }
        Event::WorkOpened { step, work, queue, due_at, .. } => {
            let until = due_at.map(|at| format!(" until {at}")).unwrap_or_default();
            format!("{step}: handed to {queue}{until} ({work})")
        }
        Event::WorkAnswered { step, work, output, by, .. } => {
            format!("{step}: {by} answered {} ({work})", held(output))
        }
        Event::WorkEnded { step, end, .. } => match end {
            WorkEnd::Gave { output, by } => format!("{step}: done by {by} {}", held(output)),
            WorkEnd::Failed { failure: why } => format!("{step}: {}", failure(why)),
            WorkEnd::Again { by } => format!("{step}: begun afresh, says {by}"),
            WorkEnd::GivenUp { by: Some(by) } => format!("{step}: given up, says {by}"),
            WorkEnd::Settled => format!("{step}: its outcome is known"),
            WorkEnd::GivenUp { by: None } => format!("{step}: nobody answered in time"),
        },
        Event::ChildStarted { step, child, workflow, due_at, .. } => {
            let until = due_at.map(|at| format!(" until {at}")).unwrap_or_default();
            format!("{step}: handed to workflow {workflow}{until} ({child})")
        }
        Event::ChildReported { step, child, report, .. } => match report {
            Report::Completed(result) => format!("{step}: {child} completed {}", held(result)),
            Report::Failed(why) => format!("{step}: {child} failed, {}", failure(why)),
            Report::Cancelled => format!("{step}: {child} was cancelled"),
        },
        Event::ChildEnded { step, end, .. } => match end {
            ChildEnd::Gave { output, .. } => format!("{step}: came back {}", held(output)),
            ChildEnd::Failed { failure: why } => format!("{step}: {}", failure(why)),
        },
        Event::WaitStarted { step, until, signals, events } => {
            let what = awaited(signals, events).map(|what| format!(" for {what}")).unwrap_or_default();
            let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
            format!("{step}: waits{what}{until}")
        }
        Event::EventPublished { step, id, topic, data } => {
            format!("{step}: published {} ({id}) {}", about(topic), held(data))
        }
        Event::EventReceived { message, topic, sender, body } => {
            format!("event {} from {sender}, message {message} {}", about(topic), held(body))
        }
        Event::WaitEnded { step, message, output } => match message {
            Some(message) => format!("{step}: woken by message {message} {}", held(output)),
            None => format!("{step}: time is up"),
        },
        Event::SignalReceived { message, name, sender, body } => {
            format!("signal {name} from {sender}, message {message} {}", held(body))
        }
        Event::ControlReceived { control, sender, .. } => {
            let what = match control {
                Control::Pause => "pause",
                Control::Resume => "resume",
                Control::Cancel => "cancel",
                Control::Review => "review of what was sent",
                Control::CancelUndo => "cancel and undo",
            };
            format!("{what} asked by {sender}")
        }
        Event::BudgetRaised { unit, limit, by, .. } => {
            format!("{by} raised the run's budget of {} to {}", unit.word(), unit.show(*limit))
        }
        Event::UndoOpened { acts, standing } => taken_back(acts, standing),
        Event::DeadlineSet { step, until } => format!("{step}: has time until {until}"),
        Event::StepFailed { step, failure: why } => format!("{step}: failed, {}", failure(why)),
        Event::FailureAnswered { step, response } => format!("{step}: {}", answer(response)),
        Event::RunFinished { end, result, failure: why } => match (end, result, why) {
            (End::Completed, Some(result), _) => format!("run completed {}", held(result)),
            (End::Completed, None, _) => "run completed".to_owned(),
            (End::Failed, _, Some(why)) => format!("run failed, {}", failure(why)),
            (End::Failed, _, None) => "run failed".to_owned(),
            (End::Cancelled, ..) => "run cancelled".to_owned(),
        },
    }
}

fn verified(step: &StepPath, proof: &Proof) -> String {
    let what = proof.proves.as_ref().map_or_else(String::new, |proven| format!(" `{proven}`:"));
    format!("{step}: verified{what} {}", proof.holds)
}

/// What a model proposed in a turn; `None`: this is no such answer, or a large one.
fn proposed(step: &StepPath, output: &Held) -> Option<String> {
    let (Held::Value(value), true) = (output, step.name() == ASK) else { return None };
    let Some(Value::List(all)) = value.get("proposed") else { return None };
    let one = |proposed: &Value| {
        let arguments = proposed.get("arguments").map(short).unwrap_or_default();
        format!("{} {arguments}", proposed.get("name").and_then(Value::as_str).unwrap_or_default())
    };
    Some(all.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// What a model was told at the end of a turn; `None`: it is another kind of turn, or a large one.
fn told(output: &Held) -> Option<String> {
    let Held::Value(value) = output else { return None };
    let Some(Value::List(all)) = value.get("returned") else { return None };
    let one = |returned: &Value| {
        let text = returned.get("text").cloned().unwrap_or_default();
        let failed = if returned.get("failed") == Some(&Value::Bool(true)) { " failed" } else { "" };
        format!("{}{failed} {}", returned.get("name").and_then(Value::as_str).unwrap_or_default(), short(&text))
    };
    let said = value.get("told").map(|told| format!("; {}", short(told)));
    Some(all.iter().map(one).collect::<Vec<_>>().join(", ") + &said.unwrap_or_default())
}

/// How a model's claims stand, counted.
fn claimed(claims: &[Claimed]) -> String {
    let all = [Standing::Verified, Standing::Refuted, Standing::Unsupported].map(|standing| {
        let count = claims.iter().filter(|claim| claim.standing == standing).count();
        (count > 0).then(|| format!("{count} {}", standing.as_str()))
    });
    let counted: Vec<String> = all.into_iter().flatten().collect();
    if counted.is_empty() { String::new() } else { format!("; claims: {}", counted.join(", ")) }
}

/// A failure in a few words: `tool_timeout: no answer within 5s`.
pub fn failure(failure: &Failure) -> String {
    format!("{}: {}", failure.kind, failure.detail)
}

/// What is taken back, and what stays.
fn taken_back(acts: &[StepPath], standing: &[StepPath]) -> String {
    let list = |paths: &[StepPath]| paths.iter().map(StepPath::as_str).collect::<Vec<_>>().join(", ");
    let acts = if acts.is_empty() { "nothing to take back".to_owned() } else { format!("takes back {}", list(acts)) };
    if standing.is_empty() { acts } else { format!("{acts}; what stays: {}", list(standing)) }
}

/// What is done about a failure.
pub fn answer(response: &Response) -> String {
    match response {
        Response::Undo { acts, standing } => taken_back(acts, standing),
        Response::ReturnTo { step, acts, kept } => {
            let first = if acts.is_empty() { String::new() } else { format!(", after it {}", taken_back(acts, &[])) };
            let kept = if kept.is_empty() { String::new() } else { format!("; keeps {}", kept.join(", ")) };
            format!("returns to {step}{first}{kept}")
        }
        Response::Retry { at } => format!("tried again at {at}"),
        Response::Repair => "asked again with the errors".to_owned(),
        Response::Replan => "begun afresh".to_owned(),
        Response::Model { model, route: None } => format!("passed to model {model}"),
        Response::Model { model, route: Some(route) } => format!("passed to model {model}, the next of route {route}"),
        Response::Stage { stage } => format!("left for stage {stage}"),
        Response::Probe { at } => format!("the probe asks once more at {at}"),
        Response::Person { group } => format!("put before {group}"),
        Response::Pause => "paused until a person resumes".to_owned(),
        Response::ContinueWith { output } => format!("continued with {}", held(output)),
        Response::GiveBack => "the model is told".to_owned(),
        Response::NoProgress => "no progress: the same failure twice".to_owned(),
        Response::Onward { then } => format!("no recovery left; {}", onward(then)),
        Response::Fail => "no recovery left".to_owned(),
    }
}

/// What follows an answer of which its step is unsure.
fn onward(then: &Onward) -> String {
    match then {
        Onward::Model { model } => format!("passed to model {model}"),
        Onward::Person { group } => format!("put before {group}"),
        Onward::Accept => "accepted".to_owned(),
        Onward::Fail { .. } => "nothing more follows".to_owned(),
    }
}

/// Whom an approval asks: `managers`, `desk or managers, and audit, 2 people`.
pub fn whom(terms: &Terms) -> String {
    let groups: Vec<String> = terms.groups.iter().map(|list| list.join(" or ")).collect();
    let people = if terms.quorum > 1 { format!(", {} people", terms.quorum) } else { String::new() };
    format!("{}{people}", groups.join(", and "))
}

fn again(attempt: u32) -> String {
    if attempt > 1 { format!(", attempt {attempt}") } else { String::new() }
}

/// A held value, cut to what a line can carry.
pub fn held(held: &Held) -> String {
    match held {
        Held::Value(value) => short(value),
        Held::Blob(blob) => format!("<{} bytes, {}>", blob.bytes, blob.digest.short()),
    }
}

/// A value, cut to what a line can carry.
pub fn short(value: &Value) -> String {
    let text = value.to_json();
    if text.chars().count() <= SHOWN {
        return text;
    }
    let cut: String = text.chars().take(SHOWN).collect();
    format!("{cut}…")
}
