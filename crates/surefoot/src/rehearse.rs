//! Rehearsals: a case that goes well is played again and again, each time with one failure, and with the process dying around it.
//!
//! Every call of the plain path meets every failure that can come of it. A receiver in memory counts what was really performed, as one
//! of that effect class would; at the end it is compared with what the journal says. What must never be: an effect twice, an effect that
//! is only believed or that nobody knows of, a run that stands still and waits for nobody, a run that completed without what it owes.

mod fill;
mod kinds;
mod receiver;

use std::{collections::BTreeSet, fmt};

use kernel::{
    evidence::Status,
    foresee::{self, Around},
    governance::{Effect, approval::Decision},
    ids::StepPath,
    journal::{End, Event},
    recovery::FailureKind,
    step::Kind,
    workflow::{Stage, contract::Fact},
};

use self::{
    kinds::Fault,
    receiver::{Plain, Receiver},
};
use crate::{
    case::{Case, Setting, plainly},
    trial::{
        Asked, Crash, Mutants, Rest, Trial,
        people::{People, Says, What},
    },
};

/// How the failure comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    /// Once: whoever is asked again answers as planned.
    Once,
    /// Each time.
    Always,
    /// Once, and the process dies before it is written down.
    DiesBefore,
    /// Once, and the process dies when it is written down.
    DiesAfter,
}

impl How {
    pub(crate) const ALL: [How; 4] = [How::Once, How::Always, How::DiesBefore, How::DiesAfter];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            How::Once => "once",
            How::Always => "always",
            How::DiesBefore => "dies before",
            How::DiesAfter => "dies after",
        }
    }

    fn crash(self) -> Crash {
        match self {
            How::Once | How::Always => Crash::No,
            How::DiesBefore => Crash::Before,
            How::DiesAfter => Crash::After,
        }
    }
}

/// What goes wrong in one play.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// A call brings this instead of its answer.
    Call(Fault),
    /// A pure function fails.
    Function,
    /// A rule denies what the step does: `tool.operation`.
    Denied(String),
    /// There is no room for what the call may cost.
    NoRoom,
    /// Who is asked says no.
    Rejects,
    /// Nobody says anything.
    Silence,
    /// Nothing but the death of the process, at the entry of this number.
    Death(usize),
}

/// One play: where, what, how.
#[derive(Clone, Debug)]
pub(crate) struct Cue {
    pub step: StepPath,
    pub trouble: Trouble,
    pub how: How,
}

/// What came of one play.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// The step that met it.
    pub step: String,
    /// What it met: `tool_timeout, maybe_sent, performed`.
    pub failure: String,
    pub how: How,
    pub ending: Ending,
    /// What came of it when only time passed, if that is something else.
    pub then: Option<Ending>,
    /// What must never be, as sentences.
    pub bad: Vec<String>,
    /// What a person would have to do.
    pub person: Vec<String>,
    /// Effects that were performed, and calls that left.
    pub effects: u32,
    pub calls: u32,
    pub tokens: u64,
    pub money_uusd: i64,
    /// What was answered although no case says how: made up from schemas.
    pub made_up: u32,
}

/// How one play ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Well,
    Fails(String),
    Cancelled,
    Waits(String),
    Paused(String),
    /// It stands still, and nobody is waited for.
    Stuck(String),
    /// It could not be played on: what it asked has no answer.
    Unplayed(String),
}

impl Ending {
    /// One word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Ending::Well => "well",
            Ending::Fails(_) => "fails",
            Ending::Cancelled => "cancelled",
            Ending::Waits(_) => "waits",
            Ending::Paused(_) => "paused",
            Ending::Stuck(_) => "stuck",
            Ending::Unplayed(_) => "unplayed",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Well => f.write_str("ends well"),
            Ending::Fails(why) => write!(f, "fails: {why}"),
            Ending::Cancelled => f.write_str("is cancelled"),
            Ending::Waits(whom) => write!(f, "waits for {whom}"),
            Ending::Paused(why) => write!(f, "is paused: {why}"),
            Ending::Stuck(why) => write!(f, "is stuck: {why}"),
            Ending::Unplayed(why) => write!(f, "cannot be played on: {why}"),
        }
    }
}

/// A case that goes well, and everything that its plays need.
pub(crate) struct Rehearsal<'c> {
    case: &'c Case,
    setting: &'c Setting,
    plain: Plain,
    pub mutants: Mutants,
}

impl<'c> Rehearsal<'c> {
    /// Plays the case as it is.
    ///
    /// # Errors
    /// It does not hold, or does not end well: there is no plain path. One sentence.
    pub(crate) fn of(case: &'c Case, setting: &'c Setting) -> Result<Rehearsal<'c>, String> {
        let (outcome, _) = case.played(setting);
        if let Some(fault) = outcome.faults.first() {
            return Err(fault.clone());
        }
        if let Some(one) = case.differences(&outcome).first() {
            return Err(format!("{}:{}: the case does not hold: its {} is otherwise", case.file, one.line, one.what));
        }
        if outcome.status != "completed" {
            return Err(format!("{}: the case does not go well to its end: it is {}", case.file, outcome.status));
        }
        let plain = Plain::of(case, setting)?;
        Ok(Rehearsal { case, setting, plain, mutants: Mutants::default() })
    }

    /// Everything that can go wrong on the plain path, in its order. `seen` are the steps of other rehearsals of the same workflow.
    pub(crate) fn cues(&self, seen: &mut BTreeSet<String>) -> Vec<Cue> {
        let mut cues = Vec::new();
        let mut here = BTreeSet::new();
        for (at, event) in self.plain.events.iter().enumerate() {
            let Some(step) = event.step() else { continue };
            // Items of a list go the same way: the first one stands for all.
            let name = format!("{} {}", step.name(), kinds::of(event));
            if seen.contains(&name) {
                continue;
            }
            let first = here.insert(name);
            if first {
                for trouble in self.troubles(event) {
                    let hows: &[How] = match &trouble {
                        Trouble::Call(_) | Trouble::Function => &How::ALL,
                        Trouble::NoRoom => &[How::Once, How::Always],
                        Trouble::Denied(_) | Trouble::Rejects | Trouble::Silence | Trouble::Death(_) => &[How::Once],
                    };
                    cues.extend(hows.iter().map(|how| Cue { step: step.clone(), trouble: trouble.clone(), how: *how }));
                }
                for how in [How::DiesBefore, How::DiesAfter] {
                    cues.push(Cue { step: step.clone(), trouble: Trouble::Death(at + 1), how });
                }
            }
        }
        seen.extend(here);
        cues
    }

    /// With which kinds the step can fail, as `check --failures` has it.
    fn can_occur(&self, path: &StepPath) -> Vec<FailureKind> {
        let program = &self.case.program;
        let Some(step) = program.step_at(path) else { return Vec::new() };
        let outermost = path.segments().next().map(|segment| segment.name).unwrap_or_default();
        let has = |stage: &Stage| stage.steps.iter().any(|step| *step.name == *outermost);
        let stage = program.stages.iter().position(has).unwrap_or(0);
        foresee::kinds::can_occur(step, stage, program, &Around::of(&self.setting.project))
    }

    /// What can go wrong at the entry.
    fn troubles(&self, event: &Event) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        match event {
            Event::ModelAsked { step, .. } => {
                let possible = self.can_occur(step);
                let faults = kinds::of_models().into_iter().filter(|fault| possible.contains(&fault.kind));
                troubles.extend(faults.map(Trouble::Call));
            }
            Event::ActionStarted { proposal, .. } => {
                let declared = self.setting.project.tools.get(&proposal.tool);
                let operation = declared.and_then(|tool| tool.operations.get(&proposal.operation));
                let has_form = operation.is_some_and(|operation| operation.returns.is_some());
                let faults = kinds::of_tools(proposal.effect, has_form);
                troubles.extend(faults.into_iter().map(Trouble::Call));
                if self.setting.project.policies.is_some() {
                    troubles.push(Trouble::Denied(format!("{}.{}", proposal.tool, proposal.operation)));
                }
            }
            Event::ApprovalRequested { .. } => troubles.extend([Trouble::Rejects, Trouble::Silence]),
            Event::WorkOpened { .. } => troubles.push(Trouble::Silence),
            Event::WaitStarted { signals, .. } if !signals.is_empty() => troubles.push(Trouble::Silence),
            Event::StepDone { step, .. } => {
                let step = self.case.program.step(step.name());
                if step.is_some_and(|step| matches!(step.kind, Kind::Native(_))) {
                    troubles.push(Trouble::Function);
                }
            }
            _ => {}
        }
        if event.reserves().is_some_and(|(_, reserved)| !reserved.lines.is_empty()) {
            troubles.push(Trouble::NoRoom);
        }
        troubles
    }

    /// Plays the case with one thing going wrong.
    pub(crate) fn play(&self, cue: &Cue) -> Cell {
        let mut cell = Cell {
            step: cue.step.to_string(),
            failure: said(&cue.trouble, self.plain.events.as_slice()),
            how: cue.how,
            ending: Ending::Well,
            then: None,
            bad: Vec::new(),
            person: Vec::new(),
            effects: 0,
            calls: 0,
            tokens: 0,
            money_uusd: 0,
            made_up: 0,
        };
        let charter = match &cue.trouble {
            Trouble::Denied(action) => self.setting.denying(&self.case.program.name, cue.step.name(), action),
            _ => None,
        };
        if matches!(cue.trouble, Trouble::Denied(_)) && charter.is_none() {
            cell.ending = Ending::Unplayed("the rule that would deny it cannot be read".to_owned());
            return cell;
        }
        let begun = match &charter {
            Some(charter) => self.setting.begin_under(charter, &self.case.program, &self.case.beginning),
            None => self.setting.begin(&self.case.program, &self.case.beginning),
        };
        let mut trial = match begun {
            Ok(trial) => trial,
            Err(why) => {
                cell.ending = Ending::Unplayed(why.join("; "));
                return cell;
            }
        };
        trial.mutants = self.mutants;
        let mut receiver = Receiver::new(&self.plain, self.setting, cue, self.mutants);
        if let Trouble::Death(entry) = cue.trouble {
            trial.dies = Some((entry, cue.how.crash()));
        }
        // Whoever is asked for something that the case does not know of does not answer at once.
        let patient = matches!(cue.trouble, Trouble::Silence);
        let mut people = People::new(self.says(cue), patient);
        people.ignored = self.plain.ignored();
        cell.ending = ending(&trial_to_rest(&mut trial, &mut receiver, &mut people), &trial);
        cell.person = to_do(&trial, &cell.ending);
        cell.bad = self.must_never(&trial, &receiver, &cell.ending);
        // What is waited for may have an end by itself: then that has to be one as well.
        if matches!(cell.ending, Ending::Waits(_)) {
            people.patient = true;
            let then = ending(&trial_to_rest(&mut trial, &mut receiver, &mut people), &trial);
            for one in self.must_never(&trial, &receiver, &then) {
                if !cell.bad.contains(&one) {
                    cell.bad.push(one);
                }
            }
            cell.then = Some(then).filter(|then| *then != cell.ending);
        }
        cell.effects = receiver.performed();
        (cell.calls, cell.made_up) = (receiver.calls, receiver.made_up);
        cell.tokens = trial.state.usage.tokens();
        cell.money_uusd = trial.state.spent.total().money_uusd;
        cell
    }

    /// What people say in this play.
    fn says(&self, cue: &Cue) -> Vec<Says> {
        let about = |says: &Says| match &says.what {
            What::Vote(step, _) | What::Answer(step, _) => **step == *cue.step.as_str() || **step == *cue.step.name(),
            What::Signal(..) => matches!(cue.trouble, Trouble::Silence),
            _ => false,
        };
        // What the case shows to be refused says nothing about another path.
        let says = self.case.says.iter().filter(|says| !says.refused).cloned();
        match cue.trouble {
            Trouble::Silence => says.filter(|says| !about(says)).collect(),
            Trouble::Rejects => says
                .map(|says| match &says.what {
                    What::Vote(step, _) if about(&says) => {
                        let no = Decision::Reject { reason: "a rehearsal".to_owned() };
                        Says { what: What::Vote(step.clone(), no), ..says }
                    }
                    _ => says,
                })
                .collect(),
            _ => says.collect(),
        }
    }

    /// What must never be, and is: sentences.
    fn must_never(&self, trial: &Trial<'_>, receiver: &Receiver<'_>, ending: &Ending) -> Vec<String> {
        let mut bad = Vec::new();
        if let Ending::Stuck(why) = ending {
            bad.push(format!("a silent end: {why}"));
        }
        // What was done by those whom work was handed to stands in their journals.
        let mut acts = Vec::new();
        for one in trial.family() {
            match one.audit() {
                Ok(ledger) => acts.extend(ledger.acts),
                Err(found) => {
                    bad.push(format!("the journal does not hold as evidence: {found}"));
                    return bad;
                }
            }
        }
        let over = trial.state.end.is_some();
        for (key, kept) in receiver.kept() {
            if kept.performed > 1 {
                bad.push(format!("`{}` of `{}` was performed {} times", kept.action, kept.step, kept.performed));
            }
            let act = acts.iter().find(|act| act.key.as_ref().is_some_and(|one| one.as_str() == &**key));
            let knows = act.is_some_and(|act| {
                matches!(
                    act.status,
                    Status::Succeeded
                        | Status::Unknown
                        | Status::ResolvedPerformed
                        | Status::GivenUp
                        | Status::Intended
                ) || act.failure.as_ref().is_some_and(|why| {
                    // Performed, and what it answered is not in order; or it may have been, and that is said.
                    why.kind == FailureKind::ContractViolated || why.phase == kernel::recovery::Phase::MaybeSent
                })
            });
            if kept.performed > 0 && over && !knows {
                bad.push(format!("`{}` of `{}` was performed, and the journal does not know", kept.action, kept.step));
            }
        }
        for act in &acts {
            let (Some(key), Some(called)) = (&act.key, &act.called) else { continue };
            if act.status == Status::Succeeded && called.effect != Effect::Read && !receiver.did(key.as_str()) {
                let action = format!("{}.{}", called.tool, called.operation);
                bad.push(format!("`{action}` of `{}` is believed to be performed, and was not", act.step));
            }
        }
        bad.extend(twice(receiver));
        if trial.state.end.as_ref().is_some_and(|end| end.end == End::Completed) {
            bad.extend(self.owed(trial, receiver));
        }
        bad
    }

    /// What a completed run owes by its own contract, and the receiver has not seen.
    fn owed(&self, trial: &Trial<'_>, receiver: &Receiver<'_>) -> Vec<String> {
        let ran = |name: &str| {
            let mut done = trial.events.iter().filter_map(Event::completes);
            done.any(|(step, output)| step.name() == name && output.is_some())
        };
        let mut bad = Vec::new();
        for demand in &self.case.program.done_when {
            let Fact::Performed { action, at_least, .. } = &demand.fact else { continue };
            let is_owed = match &demand.when {
                None => true,
                // Other conditions are over values: the kernel's own word counts for them.
                Some(when) => {
                    let step = when.source().trim().strip_prefix("ran(").and_then(|rest| rest.strip_suffix(')'));
                    step.is_some_and(|step| ran(step.trim()))
                }
            };
            let seen = receiver.kept().filter(|(_, kept)| kept.performed > 0 && *kept.action == **action).count();
            // Whoever knows better than the receiver is a person: his word is in the journal.
            let by_word = trial.events.iter().any(|event| matches!(event, Event::EffectResolved { .. }));
            if is_owed && seen < *at_least as usize && !by_word {
                bad.push(format!("the run completed without `{action}`, which it owes (done_when {})", demand.number));
            }
        }
        bad
    }
}

/// Effects under two keys that are one for the outside: the same step, action and arguments, and nothing taken back between.
fn twice(receiver: &Receiver<'_>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut bad = Vec::new();
    for (_, kept) in receiver.kept().filter(|(_, kept)| kept.performed > 0 && !kept.taken_back) {
        let place = kept.step.as_str().split('/').map(|part| part.split('~').next().unwrap_or(part));
        let place: Vec<&str> = place.collect();
        if !seen.insert((place.join("/"), kept.action.clone(), kept.with.clone())) {
            bad.push(format!("`{}` of `{}` was performed again under another key", kept.action, kept.step));
        }
    }
    bad
}

/// Drives on, also over the death of the process.
fn trial_to_rest(trial: &mut Trial<'_>, receiver: &mut Receiver<'_>, people: &mut People) -> Rest {
    loop {
        match trial.drive(receiver, people) {
            Rest::Died => trial.resume(),
            rest => return rest,
        }
    }
}

fn ending(rest: &Rest, trial: &Trial<'_>) -> Ending {
    match rest {
        Rest::Over => match trial.state.end.as_ref() {
            Some(end) if end.end == End::Completed => Ending::Well,
            Some(end) if end.end == End::Cancelled => Ending::Cancelled,
            Some(end) => {
                let why = end.failure.as_ref().map_or_else(|| "without a reason".to_owned(), kernel::story::failure);
                Ending::Fails(plainly(&why))
            }
            None => Ending::Stuck("it is over, and has no end".to_owned()),
        },
        Rest::Waits(suspend) if suspend.paused => Ending::Paused(plainly(&suspend.waits_for)),
        Rest::Waits(suspend) => Ending::Waits(plainly(&suspend.waits_for)),
        Rest::Silent(why) => Ending::Stuck(plainly(why)),
        Rest::Unanswered(why) => Ending::Unplayed(plainly(why)),
        Rest::Done | Rest::Left => Ending::Unplayed("only whole workflows are rehearsed".to_owned()),
        Rest::Died => Ending::Stuck("the process died, and nothing went on".to_owned()),
    }
}

/// What a person would have to do for the run to go on.
fn to_do(trial: &Trial<'_>, ending: &Ending) -> Vec<String> {
    let mut all: Vec<String> = match ending {
        Ending::Waits(_) | Ending::Paused(_) => trial
            .asked()
            .into_iter()
            .map(|(step, asked)| match asked {
                Asked::Approval => format!("decide `{step}`"),
                Asked::Outcome => format!("find out what became of `{step}`"),
                Asked::Work => format!("answer what `{step}` handed over"),
                Asked::Signal => format!("send the signal that `{step}` waits for"),
            })
            .collect(),
        _ => Vec::new(),
    };
    if matches!(ending, Ending::Paused(_)) && all.is_empty() {
        all.push("resume the run".to_owned());
    }
    all
}

fn said(trouble: &Trouble, events: &[Event]) -> String {
    match trouble {
        Trouble::Call(fault) => fault.to_string(),
        Trouble::Function => "internal, the function fails".to_owned(),
        Trouble::Denied(_) => "permission_denied".to_owned(),
        Trouble::NoRoom => "budget_exceeded".to_owned(),
        Trouble::Rejects => "approval_rejected".to_owned(),
        Trouble::Silence => "nobody answers".to_owned(),
        Trouble::Death(entry) => {
            let event = entry.checked_sub(1).and_then(|at| events.get(at));
            format!("the process dies, {}", event.map_or("at an entry", kinds::of))
        }
    }
}
