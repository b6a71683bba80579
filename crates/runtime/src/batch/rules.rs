//! What a decision rests on, as conditions for the store, and the rows of approvals.

use std::sync::Arc;

use kernel::{
    evidence::external_id,
    governance::{
        Effect,
        budget::{Closing, Line, Unit},
        channel::{self, Teller},
        charter::{Charter, Grounds},
    },
    ids::{RunId, StepPath},
    journal::{ApprovalEnd, Blob, Control, Event, ProbeResult, Resolution, StepResult, Topic, WorkEnd},
    next,
    recovery::{Failure, FailureKind, Phase, Response},
    routes,
    run::{Acting, Body, Doing, Help, RunState},
    values::{Span, Timestamp, Value},
};
use store::{
    AMOUNT_LIMIT, ApprovalState, BudgetLine, Counted, Guard, KeptAnswer, KeyKind, Message, OpenApproval, OpenWork,
    Published, RunKey,
};

use crate::{govern::card_bytes, work::envelope_bytes};

/// The conditions that an event rests on. `false`: it rests on nothing that could move.
pub(super) fn conditions(event: &Event, at: Timestamp, guards: &mut Vec<Guard>) -> bool {
    let before = guards.len();
    match event {
        Event::ActionStarted { step, grounds: Some(grounds), .. } => {
            guards.push(Guard::GovernanceIs(grounds.generation));
            guards.extend(counting(step, grounds, at));
            guards.extend(
                grounds
                    .approval
                    .as_ref()
                    .map(|approval| Guard::Consume { approval: approval.id.clone(), hash: approval.hash }),
            );
        }
        Event::ActionResent { generation: Some(generation), .. } => guards.push(Guard::GovernanceIs(*generation)),
        Event::ModelAsked { reserved: Some(reserved), .. } if !reserved.lines.is_empty() => {
            guards.push(Guard::GovernanceIs(reserved.generation));
        }
        Event::ActionJudged { grounds: Some(grounds), .. }
        | Event::ApprovalRequested { grounds: Some(grounds), .. } => {
            guards.push(Guard::GovernanceIs(grounds.generation));
        }
        _ => {}
    }
    if let Some((step, reserved)) = event.reserves().filter(|(_, reserved)| !reserved.lines.is_empty()) {
        let lines = reserved.lines.iter().map(line).collect();
        guards.push(Guard::Reserve { step: step.as_str().into(), lines });
    }
    guards.len() > before
}

fn line(line: &Line) -> BudgetLine {
    BudgetLine {
        scope: line.scope.clone(),
        unit: line.unit.as_str().into(),
        period: line.period,
        limit: line.limit,
        max: line.max.min(AMOUNT_LIMIT),
    }
}

/// What becomes of what was set aside before the event. `state` is as it was before it.
pub(super) fn closings(state: &RunState, event: &Event, guards: &mut Vec<Guard>) {
    guards.extend(state.closes(event).into_iter().map(|(step, closing)| {
        let step: Arc<str> = step.as_str().into();
        match closing {
            Closing::Forfeit => Guard::Forfeit { step },
            Closing::Settle(actual) => {
                let actual = Unit::ALL.map(|unit| (unit.as_str().into(), actual.get(unit).min(AMOUNT_LIMIT)));
                Guard::Settle { step, actual: actual.into() }
            }
        }
    }));
}

fn counting<'g>(step: &'g StepPath, grounds: &'g Grounds, at: Timestamp) -> impl Iterator<Item = Guard> + 'g {
    grounds.counted.iter().map(move |counting| Guard::CounterIs {
        counter: counting.counter.clone(),
        version: counting.version,
        add: Some(Counted { step: step.as_str().into(), amount: counting.amount, at }),
    })
}

/// The rows that go with an event. `state` is as it was before it.
pub(super) fn rows(state: &RunState, event: &Event, at: Timestamp, guards: &mut Vec<Guard>) {
    match event {
        Event::ApprovalRequested { step, approval, terms, card, .. }
        | Event::ApprovalEscalated { step, to: approval, terms, card, .. } => {
            if let Event::ApprovalEscalated { approval: before, .. } = event {
                let (approval, state) = (before.clone(), ApprovalState::Superseded);
                guards.push(Guard::ApprovalClosed { approval, state });
            }
            let mut groups: Vec<Arc<str>> = terms.groups.iter().flatten().cloned().collect();
            groups.sort();
            groups.dedup();
            guards.push(Guard::ApprovalOpen(OpenApproval {
                id: approval.clone(),
                step: step.as_str().into(),
                hash: terms.hash,
                shown: terms.shown,
                card: card_bytes(card, terms),
                groups,
                quorum: terms.quorum.max(1),
                requested_by: terms.requesters.join(", ").into(),
                requested_at: terms.asked_at,
                expires_at: terms.expires_at,
            }));
        }
        Event::ApprovalEnded { step, approval, end } => {
            let closed = match end {
                ApprovalEnd::Superseded | ApprovalEnd::Edited { .. } => ApprovalState::Superseded,
                ApprovalEnd::Failed { failure, .. } if failure.kind.is_too_late() => ApprovalState::Expired,
                ApprovalEnd::Failed { .. } => ApprovalState::Rejected,
                ApprovalEnd::Gave { .. } => ApprovalState::Approved,
            };
            match state.acting(step) {
                // It was used up, and its row says so. Its action was certainly not performed, and is not counted.
                Some(acting) => guards.extend(undone(step, acting)),
                None => guards.push(Guard::ApprovalClosed { approval: approval.clone(), state: closed }),
            }
        }
        Event::WorkOpened { step, work, queue, card, due_at } => guards.push(Guard::WorkOpen(OpenWork {
            id: work.clone(),
            step: step.as_str().into(),
            queue: queue.clone(),
            card: envelope_bytes(card),
            opened_at: at,
            due_at: *due_at,
        })),
        Event::WorkEnded { step, work, end } => {
            guards.push(Guard::WorkClosed { work: work.clone() });
            let help = state.open_at(step).and_then(|open| open.help.as_deref());
            if let (WorkEnd::Again { .. }, Some(Help { doing: Doing::Acting(acting), .. })) = (end, help) {
                guards.extend(undone(step, acting));
            }
        }
        Event::ModelAnswered { step, cools: Some(until), result: StepResult::Failed(failure), .. } => {
            let model = state.open_at(step).and_then(|open| open.model.as_ref());
            let project = state.start.as_ref().map(|start| &*start.project).unwrap_or_default();
            guards.extend(model.map(|model| Guard::CoolDown {
                scope: routes::scope(project, model),
                until: *until,
                why: failure.kind.as_str().into(),
            }));
        }
        // For a body that is not needed nobody needs to be asked any more.
        Event::BodyDone { body, .. } => {
            let mut children = Vec::new();
            state.body_at(body).into_iter().for_each(|body| {
                dropped(body, guards);
                body.children(&mut children);
            });
            guards.extend(children.into_iter().map(|child| stop(state, child, false, at)));
        }
        Event::StepDone { step, .. } | Event::StepFailed { step, .. } => {
            let mut children = Vec::new();
            state.open_at(step).into_iter().for_each(|open| {
                left(&open.doing, guards);
                open.doing.children(&mut children);
            });
            guards.extend(children.into_iter().map(|child| stop(state, child, false, at)));
            // Its time is over before it was tried again: what was certainly not performed is not counted.
            let last = state.open_at(step).and_then(|open| open.answered.last()).map(|(failure, _)| failure);
            if let Some(acting) = state.acting(step).filter(|_| last.is_some_and(certain)) {
                guards.extend(undone(step, acting));
            }
        }
        // Who does not wait any more lets nobody go on for it.
        Event::ChildEnded { step, child, .. } if state.handed(step).is_some_and(|one| one.reported.is_none()) => {
            guards.push(stop(state, *child, false, at));
        }
        Event::ControlReceived { control: control @ (Control::Cancel | Control::CancelUndo), .. } => {
            let undo = *control == Control::CancelUndo;
            guards.extend(state.children().into_iter().map(|child| stop(state, child, undo, at)));
        }
        Event::RunFinished { .. } => {
            guards.extend(state.children().into_iter().map(|child| stop(state, child, state.undo_all, at)));
        }
        // What was counted for an action that was certainly not performed is taken back once nothing tries it again.
        Event::FailureAnswered { step, response } => {
            let stays = matches!(
                response,
                Response::Probe { .. } | Response::Retry { .. } | Response::Pause | Response::Repair
            );
            let leaves =
                !stays && !matches!(response, Response::Undo { .. } | Response::Person { .. } | Response::NoProgress);
            let failure = state.open_at(step).and_then(|open| open.failure.as_ref());
            if let Some(acting) = state.acting(step).filter(|_| leaves && failure.is_some_and(certain)) {
                guards.extend(undone(step, acting));
            }
        }
        _ => {}
    }
}

/// Whether an action that failed so was certainly not performed.
fn certain(why: &Failure) -> bool {
    why.phase != Phase::MaybeSent && !matches!(why.kind, FailureKind::ContractViolated | FailureKind::UnknownOutcome)
}

/// What an event of the journal means for events between runs: published, waited for, waited for no more. `state` is as it was before.
pub(super) fn events(
    state: &RunState,
    (event, blobs): (&Event, &[Blob]),
    at: Timestamp,
    (tenant, kept): (&Arc<str>, Span),
    guards: &mut Vec<Guard>,
) {
    let Some(start) = &state.start else { return };
    let since = Timestamp::from_micros(at.micros().saturating_sub(kept.micros()));
    let known = |topic: &Topic| store::Topic {
        tenant: tenant.clone(),
        project: start.project.clone(),
        name: topic.event.clone(),
        key: topic.key.clone(),
    };
    match event {
        Event::WaitStarted { events, .. } => {
            guards.extend(events.iter().map(|topic| Guard::Want { topic: known(topic), since, at }));
        }
        Event::WaitEnded { step, .. } => {
            let Some(Doing::Waiting { events, .. }) = state.open_at(step).map(|open| &open.doing) else { return };
            // Another branch may wait for the same.
            let last = events.iter().filter(|topic| state.waiting_for(topic) <= 1);
            guards.extend(last.map(|topic| Guard::Unwant { topic: known(topic) }));
        }
        Event::EventPublished { id, topic, data, .. } => {
            let data = next::held_value(data, blobs);
            let body = Value::map([("key", Value::Text(topic.key.clone())), ("data", data)]);
            guards.push(Guard::Publish(Box::new(Published {
                id: id.clone(),
                called: None,
                topic: known(topic),
                run: Some(state.run),
                sender: state.run.to_string().into(),
                body: body.to_jcs().into(),
                at,
                since,
            })));
        }
        _ => {}
    }
}

/// What the response cache keeps goes with the entry that holds it.
pub(super) fn keeps(state: &RunState, event: &Event, (seq, at): (u64, Timestamp), guards: &mut Vec<Guard>) {
    guards.extend(state.keeps(event, at).into_iter().map(|kept| {
        Guard::KeepAnswer(Box::new(KeptAnswer {
            key: kept.key,
            run: state.run,
            entry: seq,
            at,
            until: kept.until,
            value: kept.value.to_jcs().into(),
        }))
    }));
}

/// What an act is known by outside finds its run from now on. `state` is as it was before the event.
pub(super) fn keys(state: &RunState, event: &Event, guards: &mut Vec<Guard>) {
    let (step, id) = match event {
        Event::ActionFinished { step, result: StepResult::Done(output), .. }
        | Event::LateAnswerReceived { step, result: StepResult::Done(output), .. }
        | Event::ProbeFinished { step, result: ProbeResult::Found(output), .. } => (step, external_id(output)),
        Event::EffectResolved { step, resolution: Resolution::Performed { output, external_id: said }, .. } => {
            (step, said.clone().or_else(|| external_id(output)))
        }
        _ => return,
    };
    // What was only read was there before, and is nothing that this run did.
    let acting = state.acting(step).filter(|acting| acting.proposal.effect != Effect::Read);
    guards.extend(acting.zip(id).map(|(acting, value)| {
        Guard::FoundBy(RunKey { kind: KeyKind::Outside, name: acting.proposal.tool.clone(), value })
    }));
}

/// What people are told of an event leaves with the append that holds it. `state` is as it was before.
pub(super) fn news(
    state: &RunState,
    event: &Event,
    (seq, at): (u64, Timestamp),
    charter: &Charter,
    guards: &mut Vec<Guard>,
) {
    let Some(start) = &state.start else { return };
    let statutes = charter.project(&start.project);
    let teller = Teller { run: state.run, project: &start.project, workflow: &start.workflow };
    let notices = channel::notices(&statutes.channels, teller, event, (seq, at));
    guards.extend(notices.into_iter().map(|notice| Guard::Outbox(crate::outbox::message(notice, at))));
}

/// Closes what people were asked for by a step that ends with it.
fn left(doing: &Doing, guards: &mut Vec<Guard>) {
    match doing {
        Doing::Approving(approving) => {
            let (approval, state) = (approving.id.clone(), ApprovalState::Cancelled);
            guards.push(Guard::ApprovalClosed { approval, state });
        }
        Doing::Working(working) => guards.push(Guard::WorkClosed { work: working.id.clone() }),
        Doing::Bodies(bodies) => bodies.open.values().for_each(|body| dropped(body, guards)),
        Doing::Turns(turns) => dropped(&turns.body, guards),
        Doing::Talking(talk) => dropped(&talk.body, guards),
        _ => {}
    }
}

fn dropped(body: &Body, guards: &mut Vec<Guard>) {
    body.steps.open.iter().for_each(|open| left(&open.doing, guards));
}

/// A run that was handed its work is not needed any more.
fn stop(state: &RunState, child: RunId, undo: bool, at: Timestamp) -> Guard {
    let (id, body) = match undo {
        true => ("parent:undo", Value::map([("undo", true.into())])),
        false => ("parent", Value::Null),
    };
    Guard::TellRun { run: child, message: said(state, id.into(), "cancel", &body, at), pardon: true }
}

/// A run that was handed its work tells its parent how it ended.
pub(crate) fn report(state: &RunState, parent: RunId, body: &Value, at: Timestamp) -> Guard {
    let id = format!("child:{}", state.run).into();
    Guard::TellRun { run: parent, message: said(state, id, "child", body, at), pardon: false }
}

fn said(state: &RunState, id: Arc<str>, kind: &str, body: &Value, at: Timestamp) -> Message {
    let sender = state.run.to_string().into();
    Message { seq: 0, id, kind: kind.into(), name: "".into(), sender, body: body.to_jcs().into(), at }
}

fn undone<'g>(step: &'g StepPath, acting: &'g Acting) -> impl Iterator<Item = Guard> + 'g {
    let counted = acting.grounds.counted.iter().filter(|_| acting.doubts == 0);
    counted.map(|counting| Guard::CounterUndone { counter: counting.counter.clone(), step: step.as_str().into() })
}
