//! Runs of other workflows, played beside the run that handed them their work.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    journal::{Event, Held, StepResult},
    next::{self, Handed, Handing, Record},
    routes::{self, Cooling},
    run::RunState,
    workflow::Program,
};

use super::{Outside, Part, People, Rest, Trial, Watch};

/// The workflows of a project, by name.
pub(crate) type Programs = BTreeMap<Arc<str>, Arc<Program>>;

impl<'a> Trial<'a> {
    /// Hands work over: the other run begins with the entry of this one.
    pub(super) fn hand(&mut self, handing: Handing) -> Result<(), String> {
        let name = handing.workflow.clone();
        let program = self.programs.and_then(|programs| programs.get(&name));
        let program: &'a Program = program.ok_or_else(|| format!("there is no workflow `{name}` to hand work to"))?;
        let salt = [u8::try_from(self.entries.len() % 251).expect("below 251"); 16];
        match next::hand(handing, &self.state, program, self.now, salt) {
            Handed::Failed(record) => self.record(record),
            Handed::Started { record, starting, .. } => {
                self.record(record);
                if self.dead && self.events.last().is_none_or(|last| !matches!(last, Event::ChildStarted { .. })) {
                    // Neither of the two was written.
                    return Ok(());
                }
                let event = starting.first.event().map_err(|why| why.to_string())?;
                let mut child = Trial {
                    program,
                    charter: self.charter,
                    natives: self.natives,
                    project: self.project.clone(),
                    programs: self.programs,
                    part: Part::Whole,
                    state: starting.state,
                    entries: vec![starting.first],
                    events: vec![event],
                    now: self.now,
                    epoch: 1,
                    blobs: BTreeMap::new(),
                    kept: BTreeMap::new(),
                    counters: BTreeMap::new(),
                    history: self.history.clone(),
                    full: BTreeMap::new(),
                    places: BTreeMap::new(),
                    cooling: BTreeMap::new(),
                    answers: BTreeMap::new(),
                    cools: BTreeMap::new(),
                    children: Vec::new(),
                    given: 0,
                    dies: None,
                    dead: false,
                    mutants: self.mutants,
                    watch: self.watch.as_ref().map(|watch| Watch { clock: watch.clock, laps: Vec::new() }),
                };
                child.keep(&starting.blobs);
                self.children.push(child);
            }
        }
        Ok(())
    }

    /// Lets the runs that are waited for go on, and hears how they ended. `None`: nobody is waited for that could.
    pub(super) fn hear_children(&mut self, outside: &mut dyn Outside, people: &mut People) -> Option<Option<Rest>> {
        let waited = self.state.children();
        let at = self.children.iter().position(|child| waited.contains(&child.state.run))?;
        let mut child = self.children.remove(at);
        child.now = child.now.max(self.now);
        let rest = match child.state.end {
            Some(_) => Rest::Over,
            None => child.drive(outside, people),
        };
        self.now = self.now.max(child.now);
        let said = child.last_words();
        self.children.insert(at, child);
        Some(match (rest, said) {
            (Rest::Over, Some((sender, body))) => {
                let number = self.state.inbox_read + 1;
                let record = next::receive(number, "child", "", body, &sender);
                self.record(record.expect("a run says its end in the form that is received: held by the kernel"));
                None
            }
            (Rest::Over, None) => Some(Rest::Silent("a run that was handed work ended without a word".to_owned())),
            (rest, _) => Some(rest),
        })
    }

    /// This run and all that it handed work to, directly or not.
    pub(crate) fn family(&self) -> Vec<&Trial<'a>> {
        let mut all = vec![self];
        all.extend(self.children.iter().flat_map(Trial::family));
        all
    }

    /// What it tells the run that handed it its work.
    fn last_words(&self) -> Option<(String, kernel::values::Value)> {
        self.state.end.as_ref()?;
        let (last, before) = self.entries.split_last()?;
        let mut state = RunState::new(self.state.run);
        state.fold(before).ok()?;
        let event = last.event().ok()?;
        // A result that is a blob is found among those that were kept.
        let blobs = match &event {
            Event::RunFinished { result: Some(Held::Blob(blob)), .. } => {
                let bytes = self.kept.get(&blob.digest)?;
                vec![kernel::journal::Blob::new(bytes.clone())]
            }
            _ => Vec::new(),
        };
        let (_, body) = next::report(&state, &Record { event, blobs })?;
        Some((self.state.run.to_string(), body))
    }

    /// A provider had no room: nobody asks the model for a while.
    pub(super) fn cool(&mut self, event: &Event) {
        let Event::ModelAnswered { step, cools: Some(until), result: StepResult::Failed(why), .. } = event else {
            return;
        };
        let Some(model) = self.state.open_at(step).and_then(|open| open.model.clone()) else { return };
        self.cools.insert(routes::scope(&self.project, &model), Cooling { until: *until, why: why.kind });
        self.cooling.clear();
    }
}
