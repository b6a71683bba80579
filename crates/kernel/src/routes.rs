//! Routes: several models that stand in for each other, and the time in which nobody asks a model that had no room.
//!
//! A step that names a route asks the member that its run asked last, else the first. What a member's provider fails with passes the
//! step to the next one, before the step's own recoveries: the same [`Response::Model`], with the route's name. Of those that cool
//! down none is asked; cool all of them down, the run waits for the first that is free.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    complaint::{Complaint, Complaints, did_you_mean},
    ids::StepPath,
    next::{Query, Stop, Walk},
    pace,
    recovery::{Backoff, Failure, FailureKind, Phase, Response},
    run::Open,
    values::{Span, Timestamp},
    workflow::project::{ModelDecl, Sources},
    yaml::{self, Fields, Node},
};

/// The file's name in a project. It is in the bundle: a run keeps the routes that it began with.
pub const ROUTES_FILE: &str = "routes.yaml";

/// What a run waits for begins so while no model that it may ask is free.
pub const COOLING: &str = "a model that cools down: ";

/// After a spend limit nobody asks the model for so long, unless a person says that it may be asked again.
const SPEND_LIMIT: Span = Span::from_millis(24 * 3_600_000);

/// The routes of a project: by name, the models in the order in which they are tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes(BTreeMap<Arc<str>, Vec<Arc<str>>>);

/// A model that nobody asks for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooling {
    /// So long.
    pub until: Timestamp,
    /// What its provider had failed with.
    pub why: FailureKind,
}

/// Whom a step asks now.
pub(crate) enum Whom {
    /// This model, as a member of that route.
    Ask {
        /// The project's name of it.
        model: Arc<str>,
        /// The route, if the step named one.
        route: Option<Arc<str>>,
    },
    /// Nobody before then.
    Nobody {
        /// Then the first of them is free.
        until: Timestamp,
        /// For what the run waits.
        what: String,
    },
}

impl Routes {
    /// The members of a route.
    pub fn get(&self, name: &str) -> Option<&[Arc<str>]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// The models that may answer where this name stands: the members of the route, else the model itself.
    pub fn behind<'r>(&'r self, name: &'r Arc<str>) -> &'r [Arc<str>] {
        self.get(name).unwrap_or(std::slice::from_ref(name))
    }

    /// The routes' names.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> + Clone {
        self.0.keys()
    }

    /// Reads `routes.yaml`. With `models`, the names are checked as well; a bundle does not know them.
    pub(crate) fn read(
        sources: &Sources,
        models: Option<&BTreeMap<Arc<str>, ModelDecl>>,
        complaints: &mut Complaints,
    ) -> Routes {
        let mut routes = Routes::default();
        let path: Arc<str> = ROUTES_FILE.into();
        let Some(node) = sources.get(ROUTES_FILE).and_then(|text| complaints.take(yaml::parse(&path, text))) else {
            return routes;
        };
        let Some(fields) = Fields::new(&node, ROUTES_FILE, &["routes"], &[], complaints) else { return routes };
        fields.required("routes", complaints);
        let entries = fields.map("routes", complaints);
        for (key, node) in entries {
            if models.is_some_and(|models| models.contains_key(&key.text)) {
                let message = format!("`{}` is a route, and surefoot.yaml has a model of that name", key.text);
                let hint = "a step that says `model:` names one of both: give them two names";
                complaints.push(Complaint::new("W175", &node.file, key.span, message).hint(hint));
            }
            let mut members: Vec<Arc<str>> = Vec::new();
            let Some(items) = node.list(complaints) else { continue };
            if items.is_empty() {
                let hint = "write the models in the order in which they are tried: `[ first, second ]`";
                complaints.push(node.complaint("W175", format!("the route `{}` has no model", key.text)).hint(hint));
            }
            for item in items {
                let Some(name) = item.text(complaints) else { continue };
                let is_route = entries.iter().any(|(other, _)| other.text == name);
                if let Some(message) = wrong(&key.text, &name, &members, is_route) {
                    complaints.push(item.complaint("W175", message));
                } else {
                    known(item, &name, models, complaints);
                    members.push(name);
                }
            }
            routes.0.insert(key.text.clone(), members);
        }
        routes
    }
}

fn wrong(route: &str, name: &str, members: &[Arc<str>], is_route: bool) -> Option<String> {
    if members.iter().any(|one| **one == *name) {
        return Some(format!("the route `{route}` has the model `{name}` already"));
    }
    is_route.then(|| format!("`{name}` is a route: the members of a route are models"))
}

fn known(node: &Node, name: &str, models: Option<&BTreeMap<Arc<str>, ModelDecl>>, complaints: &mut Complaints) {
    let Some(models) = models.filter(|models| !models.contains_key(name)) else { return };
    let hint = did_you_mean(name, models.keys().map(|name| &**name))
        .unwrap_or_else(|| "models are declared in surefoot.yaml under `models:`".to_owned());
    complaints.push(node.complaint("W015", format!("surefoot.yaml has no model `{name}`")).hint(hint));
}

/// Under which name a model cools down: the key is the project's, and so all its runs are concerned, whoever's they are.
pub fn scope(project: &str, model: &str) -> Arc<str> {
    format!("{project}/model:{model}").into()
}

/// Whether another model may do better: this one's provider failed, and not this model with this answer.
fn passes_on(failure: &Failure) -> bool {
    match failure.kind {
        FailureKind::ProviderRateLimited
        | FailureKind::ProviderSpendLimit
        | FailureKind::ProviderOverloaded
        | FailureKind::ProviderError
        | FailureKind::ProviderTimeout
        | FailureKind::ProviderAuth => true,
        // What is too long for a declared budget of tokens stays so; a provider may know a larger window.
        FailureKind::ContextOverflow => failure.phase == Phase::Answered,
        _ => false,
    }
}

impl Walk<'_> {
    /// Whom a step asks that names this model or route; `open` says whom it asked before.
    pub(crate) fn whom(&self, named: &Arc<str>, open: Option<&Open>) -> Result<Whom, Stop> {
        let (model, route) = match open.and_then(|open| Some((open.model.as_ref()?, open.route.as_ref()))) {
            Some((model, route)) => (model, route),
            None => (named, None),
        };
        let routes = &self.program.routes;
        let (first, route) = match (route, routes.get(model)) {
            (Some(route), _) => (model, Some(route)),
            (None, Some(members)) => {
                let asked = self.state.asked_last.get(model).filter(|asked| members.contains(asked));
                // A route without a member is no program: held by its reader.
                (asked.or(members.first()).unwrap_or(model), Some(model))
            }
            (None, None) => (model, None),
        };
        let fallen = |one: &Arc<str>| open.is_some_and(|open| open.fallen.contains(one));
        let members = route.and_then(|route| routes.get(route)).unwrap_or_default();
        let others = members.iter().filter(|one| *one != first && !fallen(one));
        let order: Vec<&Arc<str>> = std::iter::once(first).chain(others).collect();
        let cooling = self.cooling(&order)?;
        let free = order.iter().zip(&cooling).find(|(_, cooling)| cooling.is_none());
        if let Some((model, _)) = free {
            return Ok(Whom::Ask { model: (*model).clone(), route: route.cloned() });
        }
        let waits = order.iter().zip(cooling).filter_map(|(model, cooling)| Some((*model, cooling?)));
        let (model, Cooling { until, why }) =
            waits.min_by_key(|(_, cooling)| cooling.until).expect("nobody is free: found above");
        let of = route.map(|route| format!("the first of route {route} is ")).unwrap_or_default();
        Ok(Whom::Nobody { until, what: format!("{COOLING}{of}{model} ({why})") })
    }

    /// The next member of the route that failed, if there is one that another failure does not speak against.
    pub(crate) fn next_of_route(&self, open: &Open, failure: &Failure) -> Result<Option<Response>, Stop> {
        let (Some(model), Some(route)) = (&open.model, &open.route) else { return Ok(None) };
        if self.state.cancelling || !passes_on(failure) {
            return Ok(None);
        }
        let members = self.program.routes.get(route).unwrap_or_default();
        let wider = |one: &Arc<str>| {
            failure.kind != FailureKind::ContextOverflow
                || matches!((self.window(model), self.window(one)), (Some(this), Some(that)) if that > this)
        };
        let others: Vec<&Arc<str>> =
            members.iter().filter(|one| *one != model && !open.fallen.contains(*one) && wider(one)).collect();
        let cooling = self.cooling(&others)?;
        let free = others.into_iter().zip(cooling).find(|(_, cooling)| cooling.is_none());
        Ok(free.map(|(one, _)| Response::Model { model: one.clone(), route: Some(route.clone()) }))
    }

    /// Until when nobody asks a model after this failure of it, by anyone's clock but ours: what the provider asked for is the least.
    pub(crate) fn cools(&self, path: &StepPath, open: &Open, failure: &Failure) -> Option<Timestamp> {
        match failure.kind {
            FailureKind::ProviderSpendLimit => {
                Some(self.facts.now + SPEND_LIMIT.max(failure.retry_after.unwrap_or_default()))
            }
            FailureKind::ProviderRateLimited | FailureKind::ProviderOverloaded => {
                let retried = open.answered.iter().filter(|(why, response)| {
                    why.kind == failure.kind && matches!(response, Response::Retry { .. } | Response::Model { .. })
                });
                let nth = u32::try_from(retried.count()).unwrap_or(u32::MAX);
                Some(self.facts.now + self.pause(Backoff::default(), nth, failure, path))
            }
            _ => None,
        }
    }

    fn window(&self, model: &str) -> Option<u64> {
        self.statutes().models.get(model)?.window
    }

    /// For each of these models, whether it cools down now.
    fn cooling(&self, models: &[&Arc<str>]) -> Result<Vec<Option<Cooling>>, Stop> {
        let scopes: Vec<Arc<str>> = models.iter().map(|model| pace::model_bucket(self.state, model)).collect();
        let known = |scope: &Arc<str>| self.facts.cooling.get(scope);
        let missing: Vec<Query> =
            scopes.iter().filter(|scope| known(scope).is_none()).map(|scope| Query::Cooling(scope.clone())).collect();
        if !missing.is_empty() {
            return Err(Stop::Look(missing));
        }
        let now = self.facts.now;
        Ok(scopes.iter().map(|scope| known(scope).copied().flatten().filter(|one| one.until > now)).collect())
    }
}
