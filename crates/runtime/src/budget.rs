//! What people may ask of budgets: to follow a project file, how they stand, and to raise a limit.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    governance::{
        budget::{Line, Period, RUN, Tariff, Unit, near},
        charter::Change,
    },
    ids::{Digest, RunId},
    journal::{Broken, Event},
    recovery::{Failure, FailureKind, Response},
    spend::ROOM,
    values::Value,
    workflow::project::{ModelDecl, Project},
};
use store::{RunQuery, Status};

use crate::{RunError, Runtime, govern::Asker};

/// Rows and entries read at a time.
const PAGE: u32 = 500;

/// How one sum stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// "day", "tenant:main", "workflow:name".
    pub scope: Arc<str>,
    /// Of what.
    pub unit: Unit,
    /// For how long its limit holds; `None`: its period is over, or nothing limits it any more.
    pub per: Option<Period>,
    /// The start of its period in microseconds since 1970; 0: for good.
    pub period: i64,
    /// What settled and reserved together must not exceed, raises included, in the unit.
    pub limit: i64,
    /// What calls have cost.
    pub settled: i64,
    /// What is set aside for open calls.
    pub reserved: i64,
    /// By how much bills were above what had been set aside for them.
    pub overrun: i64,
    /// Nothing more starts in this scope until a person has looked.
    pub frozen: bool,
}

impl Standing {
    /// Whether at least 80 % of the limit are settled or reserved.
    pub fn is_near(&self) -> bool {
        near(self.settled.saturating_add(self.reserved), self.limit)
    }
}

/// What a raise came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// It holds for the current period of its scope, for every run from its next call on.
    Scope {
        /// The generation of the rules.
        generation: u64,
        /// How long the period is.
        per: Period,
    },
    /// The run is told.
    Run {
        /// Which.
        run: RunId,
    },
}

impl Runtime {
    /// Makes what a project says of spending (standing limits, prices) that of today, for runs that have begun as well. What stands
    /// there already changes nothing, and neither does a project that limits nothing.
    ///
    /// # Returns
    /// Whether anything changed.
    ///
    /// # Errors
    /// The store fails.
    pub async fn limit(&self, project: &Project, asker: &Asker) -> Result<bool, RunError> {
        let known = self.charter().await?.project(&project.file.name).limits_digest;
        let change = project.file.limits();
        // What is priced is counted, so that rules can read what a run has cost.
        let priced =
            |tariff: &Tariff| matches!(tariff, Tariff::Billed { price, list, .. } if price.is_some() || list.is_some());
        let counts = |model: &ModelDecl| model.pace.is_some() || priced(&model.tariff);
        let limited = !project.file.budgets.is_empty()
            || project.workflows.values().any(|program| program.budget.is_some())
            || project.file.models.values().any(counts);
        if known == Some(Digest::of(&[&change.to_bytes()])) || (known.is_none() && !limited) {
            return Ok(false);
        }
        self.govern(&change, None, Some(ROOM.into()), asker).await?;
        self.look_at_due();
        Ok(true)
    }

    /// How the standing limits stand: today's, also where nothing was spent yet, and every sum that the store keeps. Sorted by
    /// scope, unit and period.
    ///
    /// # Errors
    /// The store fails, or holds a change that this version cannot follow.
    pub async fn budgets(&self) -> Result<Vec<Standing>, RunError> {
        let rows = self.inner.store.budgets().await.map_err(|why| RunError::store("read the budgets", why))?;
        let mut all: BTreeMap<(Arc<str>, Unit, i64), Standing> = BTreeMap::new();
        for line in self.limits_of_today(rows.iter().map(|row| &*row.scope)).await? {
            let key = (line.scope.clone(), line.unit, line.period);
            let Line { scope, unit, per, period, limit, .. } = line;
            let fresh = Standing {
                scope,
                unit,
                per: Some(per),
                period,
                limit,
                settled: 0,
                reserved: 0,
                overrun: 0,
                frozen: false,
            };
            let standing = all.entry(key).or_insert(fresh);
            standing.limit = standing.limit.max(limit);
        }
        for row in rows {
            let Some(unit) = Unit::ALL.into_iter().find(|unit| unit.as_str() == &*row.unit) else { continue };
            let today = all.get(&(row.scope.clone(), unit, row.period));
            let standing = Standing {
                per: today.and_then(|today| today.per),
                limit: today.map_or(row.limit, |today| today.limit),
                scope: row.scope.clone(),
                unit,
                period: row.period,
                settled: row.settled,
                reserved: row.reserved,
                overrun: row.overrun,
                frozen: row.frozen,
            };
            all.insert((row.scope, unit, row.period), standing);
        }
        Ok(all.into_values().collect())
    }

    /// Raises a limit: of a scope ("day", "tenant:main", "workflow:name") for its current period, or of one run's own budget
    /// ("run:" and its id). `limit` counts in the unit. Runs that wait for room are woken; runs that were paused are resumed by
    /// a person.
    ///
    /// # Errors
    /// [`RunError::NotTaken`] with one sentence if nothing of that name is limited, or if the limit is that high already; the run
    /// is not there or over; the store fails.
    pub async fn raise(&self, scope: &str, unit: Unit, limit: i64, asker: &Asker) -> Result<Raised, RunError> {
        let not_taken = |why: String| RunError::NotTaken { why };
        if let Some(run) = scope.strip_prefix("run:") {
            let run: RunId = run.parse().map_err(|_| not_taken(format!("`{run}` is no id of a run")))?;
            return self.raise_run(run, unit, limit, asker).await;
        }
        let lines = self.limits_of_today([scope]).await?;
        let line = line_of(&lines, scope, unit)?;
        if limit <= line.limit {
            let now = unit.show(line.limit);
            return Err(not_taken(format!("`{scope}` has a limit of {now} already: a raise never lowers it")));
        }
        let change = Change::Raise { scope: scope.into(), unit, period: line.period, limit };
        let generation = self.govern(&change, None, Some(format!("{ROOM}{scope}:").into()), asker).await?;
        self.look_at_due();
        Ok(Raised::Scope { generation, per: line.per })
    }

    /// A person has looked at what a scope was billed beyond what was set aside for it: calls are reserved in it again, and runs that wait
    /// for room there are woken.
    ///
    /// # Errors
    /// [`RunError::NotTaken`] with one sentence if it is not frozen; the store fails.
    pub async fn unfreeze(&self, scope: &str, reason: &str, asker: &Asker) -> Result<u64, RunError> {
        let rows = self.inner.store.budgets().await.map_err(|why| RunError::store("read the budgets", why))?;
        let mut frozen: Vec<&str> = rows.iter().filter(|row| row.frozen).map(|row| &*row.scope).collect();
        frozen.dedup();
        if !frozen.contains(&scope) {
            let others = if frozen.is_empty() { "nothing is".to_owned() } else { frozen.join(", ") };
            return Err(RunError::NotTaken { why: format!("`{scope}` is not frozen; frozen: {others}") });
        }
        let change = store::Change {
            at: self.inner.clock.now(),
            by: asker.by.clone(),
            auth: asker.auth.clone(),
            body: Change::Unfreeze { scope: scope.into(), reason: reason.into() }.to_bytes(),
            expect: None,
            wake: Some(format!("{ROOM}{scope}:").into()),
        };
        let thawed = self.inner.store.unfreeze(scope.into(), change).await;
        thawed.map_err(|why| RunError::store("unfreeze the scope", why))?;
        self.look_at_due();
        Ok(self.charter().await?.generation)
    }

    /// The paused runs that wait for a person because a call had no room in `scope` (as [`Runtime::raise`] names it), newest first.
    ///
    /// # Errors
    /// A journal cannot be read, or the store fails.
    pub async fn short_of(&self, scope: &str) -> Result<Vec<RunId>, RunError> {
        let (only, name) = match scope.strip_prefix("run:") {
            Some(run) => (run.parse::<RunId>().ok(), RUN),
            None => (None, scope),
        };
        let store = &self.inner.store;
        let mut query = RunQuery { status: vec![Status::Paused], limit: PAGE, ..RunQuery::default() };
        let mut short = Vec::new();
        loop {
            let page = store.runs(query.clone()).await.map_err(|why| RunError::store("list the runs", why))?;
            for row in page.iter().filter(|row| only.is_none_or(|run| run == row.run)) {
                let why = self.paused_over(row.run).await?;
                let over = why.filter(|why| why.kind == FailureKind::BudgetExceeded);
                if over.is_some_and(|why| why.detail.contains(&format!("`{name}`"))) {
                    short.push(row.run);
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE as usize => query.before = Some(last.run),
                _ => return Ok(short),
            }
        }
    }

    /// The failure that paused a run last; `None`: a person did.
    async fn paused_over(&self, run: RunId) -> Result<Option<Failure>, RunError> {
        let broken = |why: Broken| RunError::Journal { run, detail: why.to_string() };
        let (mut after, mut failed, mut over) = (0, BTreeMap::new(), None);
        loop {
            let read = self.inner.store.journal(run, after, PAGE).await;
            let entries = read.map_err(|why| RunError::store("read the run", why))?;
            for entry in &entries {
                match entry.event().map_err(broken)? {
                    Event::StepFailed { step, failure } => drop(failed.insert(step, failure)),
                    Event::FailureAnswered { step, response: Response::Pause } => over = failed.remove(&step),
                    Event::ControlReceived { .. } => over = None,
                    _ => {}
                }
                after = entry.seq;
            }
            if entries.len() < PAGE as usize {
                return Ok(over);
            }
        }
    }

    async fn raise_run(&self, run: RunId, unit: Unit, limit: i64, asker: &Asker) -> Result<Raised, RunError> {
        let inner = &self.inner;
        let row = inner.store.run(run).await.map_err(|why| RunError::store("read the run", why))?;
        let row = row.ok_or(RunError::NoRun { run })?;
        // Where its bundle cannot be read, the run itself judges what the message is worth.
        if let Ok(loaded) = inner.programs.get(&*inner.store, &inner.natives, row.bundle, &row.workflow).await {
            let own = loaded.program.budget.as_ref().and_then(|budget| budget.get(unit));
            let written = own.ok_or_else(|| RunError::NotTaken {
                why: format!("the workflow `{}` limits no {} of its runs", row.workflow, unit.word()),
            })?;
            if limit <= written {
                let (name, now) = (&row.workflow, unit.show(written));
                let why = format!("the workflow `{name}` gives its runs {now} already: a raise never lowers it");
                return Err(RunError::NotTaken { why });
            }
        }
        let body = Value::map([
            ("unit", Value::from(unit.as_str())),
            ("limit", Value::Int(limit)),
            ("auth", Value::Text(asker.auth.clone())),
        ]);
        self.post(run, "raise", "".into(), &body, None, asker.by.clone(), false).await?;
        Ok(Raised::Run { run })
    }

    /// The lines of all projects' limits in their current periods, for the tenants that these scopes name and our own. Sorted by
    /// scope.
    async fn limits_of_today<'s>(&self, scopes: impl IntoIterator<Item = &'s str>) -> Result<Vec<Line>, RunError> {
        let (charter, now) = (self.charter().await?, self.inner.clock.now());
        let mut tenants: Vec<&str> = scopes.into_iter().filter_map(|scope| scope.strip_prefix("tenant:")).collect();
        tenants.push(&self.inner.tenant);
        tenants.sort_unstable();
        tenants.dedup();
        let mut lines = Vec::new();
        for (_, statutes) in charter.projects() {
            let limits = &statutes.limits;
            let scopes = limits.scopes(tenants.iter().copied());
            lines.extend(scopes.iter().flat_map(|scope| limits.of_scope(scope, now)));
        }
        lines.sort_by(|one, other| one.scope.cmp(&other.scope));
        Ok(lines)
    }

    /// A change may have made runs due.
    pub(crate) fn look_at_due(&self) {
        if let Some(local) = &*self.inner.local() {
            local.due_by(self.inner.clock.now());
        }
    }
}

/// The line of a scope that limits this unit.
fn line_of<'l>(lines: &'l [Line], scope: &str, unit: Unit) -> Result<&'l Line, RunError> {
    let not_taken = |why: String| RunError::NotTaken { why };
    let mut here = lines.iter().filter(|line| &*line.scope == scope).peekable();
    if here.peek().is_none() {
        let mut scopes: Vec<&str> = lines.iter().map(|line| &*line.scope).collect();
        scopes.dedup();
        let known = if scopes.is_empty() { "nothing is".to_owned() } else { scopes.join(", ") };
        return Err(not_taken(format!("`{scope}` is not limited; limited: {known}, and runs as `run:ID`")));
    }
    let limited: Vec<&str> = here.clone().map(|line| line.unit.word()).collect();
    here.filter(|line| line.unit == unit).max_by_key(|line| line.limit).ok_or_else(|| {
        let limited = limited.join(", ");
        not_taken(format!("`{scope}` has no limit of {}; limited: {limited}", unit.word()))
    })
}
