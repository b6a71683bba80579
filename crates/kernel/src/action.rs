//! An action on its way to its intent: from a proposal to a verdict, and from the people it was put before to the leave to act.
//!
//! What judges is pure and at hand: the charter of today, counters that were looked up, labels that the program knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    governance::{
        self, Effect, Proposal, Ruling, Verdict,
        approval::{Action, Card, OnExpiry, Terms, Why, action_hash},
        charter::{Counting, Grounds, Hold, Resource, Statutes},
        floor::{self, Beneath},
        labels::{ActLabels, Now},
        people::People,
        policy::{self, Decision, Matched, Policies, Request, RunFacts},
    },
    ids::{Digest, StepPath},
    journal::Effects,
    next::{CounterQuery, Frame, Query, Stop, Walk},
    recovery::{Failure, FailureKind},
    step::act::Act,
    tool::{Operation, Tool},
    values::{Span, Timestamp, Value},
};

/// An act of work that was handed over within bounds which do not hold it.
const SCOPE: &str = "handoff-scope";
/// What a run waits for while something is held begins so.
pub const RELEASE: &str = "the release of ";

/// Counters by name as rules read them, and what the action adds to each.
type History = (BTreeMap<Arc<str>, i64>, Vec<Counting>);

/// What a step proposes, before anybody has said anything about it.
pub(crate) struct Asking<'a> {
    pub path: &'a StepPath,
    pub frame: &'a Frame<'a>,
    pub tool: &'a Arc<Tool>,
    pub proposal: &'a Proposal,
    pub with: &'a Value,
    /// What its arguments carry.
    pub carried: Carried<'a>,
    /// How it would be taken back, if its step says so.
    pub undo: Option<&'a Act>,
    /// The step whose model proposed it.
    pub by: Option<&'a Arc<str>>,
    /// What the model said beside its proposal.
    pub words: Option<String>,
}

/// What the arguments of a proposal carry.
pub(crate) enum Carried<'a> {
    /// What the program says, if it says something; asked about the values of now.
    Program(Option<&'a ActLabels>),
    /// What the model was shown that proposed it.
    Proposal(Box<ActLabels>),
    /// What was asked when the act was performed that this takes back.
    Known(Now),
}

/// What became of a proposal.
pub(crate) enum Judged {
    /// It may start.
    Start(Verdict, Grounds),
    /// A person decides, on these terms.
    Ask(Verdict, Grounds, policy::Terms),
    /// It may not.
    Deny(Verdict, Grounds),
    /// Nothing of this scope begins now.
    Held(Arc<str>, Hold),
    /// The run was forked to have no effects.
    Blocked,
}

impl Asking<'_> {
    fn operation(&self) -> &Operation {
        self.tool
            .operations
            .get(&self.proposal.operation)
            .expect("the operation is one of the tool: held by the reader")
    }

    fn called(&self) -> String {
        format!("{}.{}", self.proposal.tool, self.proposal.operation)
    }

    /// Judges the proposal by what stands in the charter now, and by what becomes of the effects of a run that was forked: never more
    /// than the charter allows.
    pub fn judge(&self, walk: &Walk<'_>) -> Result<Judged, Stop> {
        let judged = self.by_charter(walk)?;
        // Who approved an act approved how it is taken back; and nothing is taken back that was inherited.
        if self.proposal.effect == Effect::Read || self.path.undoes().is_some() {
            return Ok(judged);
        }
        Ok(match (walk.state.effects(), judged) {
            (Some(Effects::Block), Judged::Start(..) | Judged::Ask(..)) => Judged::Blocked,
            (Some(Effects::Ask), Judged::Start(verdict, grounds)) => second(walk, &verdict, grounds),
            (_, judged) => judged,
        })
    }

    fn by_charter(&self, walk: &Walk<'_>) -> Result<Judged, Stop> {
        if let Some((scope, hold)) = walk.held(self.proposal) {
            return Ok(Judged::Held(scope, hold));
        }
        if let Some(verdict) = self.beyond(walk) {
            let generation = walk.facts.charter.generation;
            return Ok(Judged::Deny(verdict, Grounds { generation, ..Grounds::default() }));
        }
        let statutes = walk.statutes();
        let now = match &self.carried {
            Carried::Program(Some(labels)) => labels.judge(&|expr| walk.given(expr, self.frame), self.with)?,
            Carried::Proposal(labels) => labels.judge(&|expr| walk.given(expr, self.frame), self.with)?,
            Carried::Program(None) => Now::default(),
            Carried::Known(now) => now.clone(),
        };
        let (history, counted) = self.history(walk)?;
        let labels: Vec<Arc<str>> = now.labels.iter().cloned().collect();
        let told = if history.is_empty() {
            Value::Null
        } else {
            Value::map(history.iter().map(|(k, v)| (k.clone(), Value::Int(*v))))
        };
        let generation = walk.facts.charter.generation;
        let resource = self.resource()?.map(|(kind, id)| Resource { kind, id: id.into() });
        let controls = now.control_untrusted.keys().cloned().collect();
        let grounds = Grounds { generation, counted, labels, controls, history: told, resource, ..Grounds::default() };
        let Some(policies) = &statutes.policies else {
            return Ok(match self.floor(&now, governance::judge(self.proposal)) {
                verdict @ Verdict::Allow { .. } => Judged::Start(verdict, grounds),
                verdict => Judged::Deny(verdict, grounds),
            });
        };
        let decision = self.decide(walk, policies, &history, &now)?;
        let policy = policies.digest();
        let rule: Arc<str> = decision.rule().into();
        Ok(match decision {
            Decision::Deny { by, why, .. } => {
                let by = by.into_iter().map(ruling).collect();
                Judged::Deny(Verdict::Deny { rule, policy, reason: why, by }, grounds)
            }
            // Who is asked sees where each argument comes from: that is what the built-in rules want.
            Decision::Ask { by, terms } => {
                let by = by.into_iter().map(ruling).collect();
                Judged::Ask(Verdict::Ask { rule, policy, by }, grounds, terms)
            }
            Decision::Allow { by } => {
                let by = by.into_iter().map(ruling).collect();
                match self.floor(&now, Verdict::Allow { rule, policy, by }) {
                    verdict @ Verdict::Allow { .. } => Judged::Start(verdict, grounds),
                    verdict => Judged::Deny(verdict, grounds),
                }
            }
        })
    }

    /// What was handed over with a bound goes no further, whatever the rules of a project allow. Taking back what was within it is.
    fn beyond(&self, walk: &Walk<'_>) -> Option<Verdict> {
        let parent = walk.state.parent()?;
        let (tool, operation) = (&self.proposal.tool, &self.proposal.operation);
        if parent.scope.admits(tool, operation) || self.path.undoes().is_some() {
            return None;
        }
        let above = parent.above.last().map_or("", |name| &**name);
        let reason = format!(
            "`{tool}.{operation}` is outside the scope in which workflow `{above}` handed over this work (step `{}` of {})",
            parent.step, parent.run
        );
        let policy = walk.statutes().policies.as_ref().map_or(Digest::ZERO, |policies| policies.digest());
        Some(Verdict::Deny { rule: SCOPE.into(), policy, reason, by: Vec::new() })
    }

    /// The rules that hold whatever a project writes, for what no person is asked about.
    fn floor(&self, now: &Now, verdict: Verdict) -> Verdict {
        let Verdict::Allow { policy, .. } = &verdict else { return verdict };
        let controls = now.control_untrusted.iter().map(|(argument, origin)| {
            let sources: Vec<String> = origin.untrusted_from().iter().map(|source| format!("`{source}`")).collect();
            (argument.clone(), sources.join(", "))
        });
        match floor::beneath(&self.called(), self.operation().is_outward(), controls, &now.labels) {
            None => verdict,
            Some(Beneath { rule, why }) => {
                Verdict::Deny { rule: rule.into(), policy: *policy, reason: why, by: Vec::new() }
            }
        }
    }

    /// The operation's counters as they stand, and what this action adds.
    fn history(&self, walk: &Walk<'_>) -> Result<History, Stop> {
        let (mut history, mut counted, mut missing) = (BTreeMap::new(), Vec::new(), Vec::new());
        for (name, counter) in &self.operation().counts {
            let of = |template: &crate::expr::Template| {
                let values: Vec<Value> = template.roots().iter().map(|_| self.with.clone()).collect();
                template.eval(&values).map_err(|why| {
                    let detail = format!("the counter `{name}` of `{}`: {why}", self.called());
                    Stop::Failed(Failure::inside(FailureKind::InvalidArguments, detail))
                })
            };
            let by = of(&counter.by)?;
            let by = by.as_str().map_or_else(|| by.to_json(), str::to_owned);
            let amount = match counter.sum.as_ref().map(of).transpose()? {
                None => 1,
                Some(Value::Int(amount)) => amount,
                Some(other) => {
                    let detail = format!("the counter `{name}` of `{}` adds {other}, no whole number", self.called());
                    return Err(Stop::Failed(Failure::inside(FailureKind::InvalidArguments, detail)));
                }
            };
            let key: Arc<str> = format!("{}/{}/{name}/{by}", walk.facts.tenant, self.called()).into();
            let Some(stands) = walk.facts.counters.get(&key) else {
                missing.push(Query::Counter(CounterQuery {
                    counter: key,
                    since: walk.facts.now + Span::from_micros(-counter.window.micros()),
                }));
                continue;
            };
            let so_far =
                if counter.sum.is_some() { stands.sum } else { i64::try_from(stands.count).unwrap_or(i64::MAX) };
            history.insert(name.clone(), so_far);
            counted.push(Counting { counter: key, version: stands.version, amount });
        }
        if missing.is_empty() { Ok((history, counted)) } else { Err(Stop::Look(missing)) }
    }

    fn decide(
        &self,
        walk: &Walk<'_>,
        policies: &Policies,
        history: &BTreeMap<Arc<str>, i64>,
        now: &Now,
    ) -> Result<Decision, Stop> {
        let start = walk.state.start.as_ref();
        let resource = self.resource()?;
        let (version, run) = (walk.program.bundle.to_string(), walk.state.run.to_string());
        // An undo is what the step does that it takes back.
        let acts = self.path.undoes();
        let control: BTreeSet<Arc<str>> = now.control_untrusted.keys().cloned().collect();
        let request = Request {
            tenant: walk.facts.tenant,
            workflow: &walk.program.name,
            version: &version,
            step: self.by.map_or_else(|| acts.as_ref().map_or(self.path.name(), |act| act.name()), |by| &**by),
            model: None,
            on_behalf_of: start.and_then(|start| start.acts_for.as_deref()),
            tool: &self.proposal.tool,
            operation: &self.proposal.operation,
            resource: resource.as_ref().map(|(kind, id)| (&**kind, id.as_str())),
            input: self.with,
            run: RunFacts {
                id: &run,
                attempt: 1,
                steps: u32::try_from(walk.state.steps).unwrap_or(u32::MAX),
                cost: walk.cost(),
                env: None,
            },
            history,
            labels: &now.labels,
            control_untrusted: &control,
            now: walk.facts.now,
        };
        Ok(policies.decide(&request))
    }

    /// Type and id of the business object that it acts on.
    fn resource(&self) -> Result<Option<(Arc<str>, String)>, Stop> {
        let Some(resource) = &self.operation().resource else { return Ok(None) };
        let values: Vec<Value> = resource.id.roots().iter().map(|_| self.with.clone()).collect();
        let id = resource.id.eval(&values).map_err(|why| {
            let detail = format!("the resource of `{}`: {why}", self.called());
            Stop::Failed(Failure::inside(FailureKind::InvalidArguments, detail))
        })?;
        let id = id.as_str().map_or_else(|| id.to_json(), str::to_owned);
        Ok(Some((resource.kind.clone(), id)))
    }

    /// The keyed hash of everything that the action is, made anew from what is about to be sent.
    pub fn hash(&self, walk: &Walk<'_>, call: u32) -> Result<Digest, Stop> {
        let resource = match self.resource()? {
            None => Value::Null,
            Some((kind, id)) => Value::map([("type", Value::Text(kind)), ("id", id.into())]),
        };
        let statutes = walk.statutes();
        let pin = |tool: &Tool, operation: &str| {
            let declared = Digest::of(&[walk.program.bundle.bytes(), tool.file.as_bytes()]);
            // What stands in the run's bundle is told by its digest; what was accepted since is another definition.
            let begun =
                tool.operations.get(operation).and_then(|operation| operation.mcp.as_ref()).map(|call| call.pin);
            let today = statutes.pins.get(&*format!("{}.{operation}", tool.name)).copied();
            match (begun, today) {
                (Some(begun), Some(today)) if today != begun => Digest::of(&[declared.bytes(), today.bytes()]),
                _ => declared,
            }
        };
        let action = Action {
            tenant: walk.facts.tenant.into(),
            run: walk.state.run,
            step: self.path.clone(),
            call,
            tool: self.proposal.tool.clone(),
            operation: self.proposal.operation.clone(),
            tool_pin: pin(self.tool, &self.proposal.operation),
            class: self.proposal.effect,
            resource,
            with: self.with.clone(),
            secrets: self.tool.secrets(),
            undo: self.undo.iter().map(|undo| undo.listed(pin(&undo.tool, &undo.operation))).collect(),
        };
        Ok(action_hash(walk.facts.key, &action))
    }

    /// The sentence of the tool file, or the call in words.
    pub fn says(&self) -> String {
        let said = self.operation().sentence(self.with);
        said.unwrap_or_else(|| format!("Call {} with {}", self.called(), crate::story::short(self.with)))
    }

    /// What people are asked: the terms, and the card that they are shown.
    pub fn put(
        &self,
        walk: &Walk<'_>,
        call: u32,
        (verdict, grounds): (&Verdict, &Grounds),
        asked: &policy::Terms,
        editor: Option<&Arc<str>>,
    ) -> Result<(Terms, Card), Stop> {
        let now = walk.facts.now;
        let statutes = walk.statutes();
        let mut requesters = walk.requesters();
        requesters.extend(editor.filter(|editor| !requesters.contains(editor)).cloned());
        let hash = self.hash(walk, call)?;
        let terms = terms(asked, &statutes.people, now, requesters, hash);
        let why = verdict.rulings().iter().map(|ruling| Why {
            rule: ruling.id.to_string(),
            at: ruling.at.to_string(),
            values: ruling.values.clone(),
            reason: ruling.reason.as_deref().unwrap_or_default().to_owned(),
        });
        let labels = Value::list(grounds.labels.iter().map(|label| Value::Text(label.clone())));
        let card = Card {
            says: self.says(),
            why: why.collect(),
            evidence: Value::map([("labels", labels), ("history", grounds.history.clone())]),
            model_words: self.words.clone(),
            effect: Some(self.proposal.effect),
            form: None,
            with: self.with.clone(),
            undo: self.undo.map(Act::as_undo),
            on_yes: format!("{} is called once, with exactly these arguments", self.called()),
            on_no: match self.by {
                Some(by) => format!("nothing is sent; the model of `{by}` is told what you say, and goes on"),
                None => format!("nothing is sent; the step `{}` fails with approval_rejected", self.path),
            },
            terms,
        };
        let terms = card.bind(walk.facts.key);
        Ok((terms.clone(), Card { terms, ..card }))
    }
}

/// Rule of every project: the effects of a fork are put before people.
pub const SECOND: &str = "forked";

/// Puts before people what a forked run would be allowed to do.
fn second(walk: &Walk<'_>, allowed: &Verdict, grounds: Grounds) -> Judged {
    let (rule, policy) = (Arc::from(SECOND), policy_of(allowed));
    let of = walk.state.fork().and_then(|fork| fork.of());
    let at = of.map_or_else(|| "the run it works for".to_owned(), |of| format!("{}/{}", of.run, of.entry));
    let groups = walk.statutes().asked_of_forks();
    if groups.is_empty() {
        let by = Vec::new();
        return Judged::Deny(Verdict::Deny { rule, policy, reason: NOBODY.to_owned(), by }, grounds);
    }
    let reason = Some("It goes on from another run, so this may be done a second time".into());
    let by = vec![Ruling { id: rule.clone(), at: at.into(), reason, values: Value::Null }];
    let terms = policy::Terms {
        groups: vec![groups],
        quorum: 1,
        expires: None,
        on_expiry: policy::OnExpiry::Deny,
        editable: BTreeSet::new(),
        no_self: false,
        severity: policy::Severity::Medium,
    };
    Judged::Ask(Verdict::Ask { rule, policy, by }, grounds, terms)
}

/// Why the effects of a fork cannot be asked about.
pub const NOBODY: &str =
    "the effects of a fork are put before people, and the project has no group of them: name one in people.yaml";

fn policy_of(verdict: &Verdict) -> Digest {
    match verdict {
        Verdict::Allow { policy, .. } | Verdict::Ask { policy, .. } | Verdict::Deny { policy, .. } => *policy,
    }
}

/// What a rule asks for, from now on.
pub(crate) fn terms(
    asked: &policy::Terms,
    people: &People,
    now: Timestamp,
    requesters: Vec<Arc<str>>,
    hash: Digest,
) -> Terms {
    let until = |span| {
        let groups = asked.groups.iter().flatten();
        // Working hours of whoever is at work first; without hours it is plain time.
        let ends = groups.filter_map(|group| people.working_until(group, now, span)).min();
        ends.unwrap_or(now + span)
    };
    Terms {
        groups: asked.groups.clone(),
        quorum: asked.quorum,
        asked_at: now,
        expires_at: asked.expires.map(until),
        on_expiry: match &asked.on_expiry {
            policy::OnExpiry::Deny => OnExpiry::Deny,
            policy::OnExpiry::Escalate(groups) => groups.first().cloned().map_or(OnExpiry::Deny, OnExpiry::Escalate),
        },
        escalated: false,
        editable: asked.editable.iter().cloned().collect(),
        answerable: false,
        no_self: asked.no_self,
        requesters,
        hash,
        shown: Digest::ZERO,
    }
}

fn ruling(matched: Matched) -> Ruling {
    let values = matched.values.into_iter();
    let values = Value::map(values);
    let values = if matches!(&values, Value::Map(map) if map.is_empty()) { Value::Null } else { values };
    Ruling { id: matched.id, at: matched.at, reason: matched.reason, values }
}

impl Walk<'_> {
    /// The hold that stops this proposal, if one does.
    pub(crate) fn held(&self, proposal: &Proposal) -> Option<(Arc<str>, Hold)> {
        if self.facts.charter.held().is_empty() {
            return None;
        }
        let scopes = [
            format!("tool:{}", proposal.tool),
            format!("tool:{}.{}", proposal.tool, proposal.operation),
            format!("workflow:{}", self.program.name),
            format!("tenant:{}", self.facts.tenant),
        ];
        let (scope, hold) = self.facts.charter.hold_on(scopes.iter().map(String::as_str))?;
        Some((scope.clone(), hold.clone()))
    }

    /// A step has an effect, and the run was forked to have none.
    pub(crate) fn without_effects(&mut self, path: &StepPath, what: &str) {
        self.block(format!("nothing: it was forked without effects, and `{path}` would {what}"));
    }

    /// Waits until a hold is lifted.
    pub(crate) fn wait_for_release(&mut self, scope: &str, hold: &Hold) {
        self.wait(None, || format!("{RELEASE}{scope}, held by {}: {}", hold.by, hold.reason));
    }

    /// What this run's project is judged by.
    pub(crate) fn statutes(&self) -> Arc<Statutes> {
        let project = self.state.start.as_ref().map(|start| &*start.project);
        self.facts.charter.project(project.unwrap_or_default())
    }

    /// Who asked for what the run does: who started it, and for whom it acts.
    pub(crate) fn requesters(&self) -> Vec<Arc<str>> {
        let start = self.state.start.as_ref();
        let mut all: Vec<Arc<str>> = Vec::new();
        for one in start.into_iter().flat_map(|start| [&start.by, &start.acts_for]).flatten() {
            if !all.contains(one) {
                all.push(one.clone());
            }
        }
        // A fork asks for nothing that those before it had not asked for.
        for one in self.state.starters() {
            if !all.contains(one) {
                all.push(one.clone());
            }
        }
        all
    }
}
