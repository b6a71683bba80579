//! What is judged, and how it becomes a request of Cedar's.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request as CedarRequest, RestrictedExpression,
};

use super::{
    reads::Read,
    schema::{Action, Applies, Schema, Shape},
};
use crate::values::{Money, Timestamp, Value};

/// One action that a step asks for, with every fact that a rule may read.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// For whom all of this runs.
    pub tenant: &'a str,
    /// The workflow's name.
    pub workflow: &'a str,
    /// What of the workflow runs: the digest of its bundle.
    pub version: &'a str,
    /// The step that asks, by its name in the workflow.
    pub step: &'a str,
    /// The model that proposed it, if one did.
    pub model: Option<&'a str>,
    /// The person that the run acts for: must be allowed as well.
    pub on_behalf_of: Option<&'a str>,
    /// The tool.
    pub tool: &'a str,
    /// Its operation.
    pub operation: &'a str,
    /// Type and id of the business object, where the operation declares one; else `None`.
    pub resource: Option<(&'a str, &'a str)>,
    /// The arguments; they have passed the operation's schema.
    pub input: &'a Value,
    /// The run.
    pub run: RunFacts<'a>,
    /// Every counter of the operation, with what is reserved and not finished.
    pub history: &'a BTreeMap<Arc<str>, i64>,
    /// The labels of everything that the arguments were made from.
    pub labels: &'a BTreeSet<Arc<str>>,
    /// The control arguments that come from untrusted text and are tied to nothing.
    pub control_untrusted: &'a BTreeSet<Arc<str>>,
    /// When.
    pub now: Timestamp,
}

/// What a rule may know of the run that asks.
#[derive(Clone, Copy, Debug)]
pub struct RunFacts<'a> {
    /// Its id.
    pub id: &'a str,
    /// Which sending of this action, from 1.
    pub attempt: u32,
    /// How many steps it has finished.
    pub steps: u32,
    /// What it has cost so far.
    pub cost: Money,
    /// The profile it runs under, if it has one.
    pub env: Option<&'a str>,
}

impl Request<'_> {
    pub(super) fn action(&self) -> String {
        format!("{}.{}", self.tool, self.operation)
    }

    /// How long a list among the arguments is; one that is not given has no items.
    pub(super) fn size(&self, argument: &str) -> i64 {
        match self.input.get(argument) {
            Some(Value::List(items)) => i64::try_from(items.len()).unwrap_or(i64::MAX),
            _ => 0,
        }
    }

    /// The lengths of all lists among the arguments.
    pub(super) fn sizes(&self) -> Value {
        let Value::Map(map) = self.input else { return Value::map::<&str>([]) };
        let lists = map.iter().filter(|(_, value)| matches!(value, Value::List(_)));
        Value::map(lists.map(|(name, _)| (name.clone(), Value::Int(self.size(name)))))
    }

    pub(super) fn step_id(&self) -> String {
        format!("{}/{}", self.workflow, self.step)
    }

    pub(super) fn run_value(&self) -> Value {
        let RunFacts { id, attempt, steps, cost, env } = self.run;
        let facts = [
            ("id", Value::text(id)),
            ("workflow", Value::text(self.workflow)),
            ("attempt", Value::Int(attempt.into())),
            ("steps", Value::Int(steps.into())),
            ("cost_microusd", Value::Int(cost.micros())),
        ];
        Value::map(facts.into_iter().chain(env.map(|env| ("env", Value::text(env)))))
    }
}

/// The types of entities that every schema has.
#[derive(Clone, Debug)]
pub(super) struct Types {
    step: EntityTypeName,
    workflow: EntityTypeName,
    tenant: EntityTypeName,
    person: EntityTypeName,
}

/// What does not change between the requests for one operation.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    types: Types,
    action: Entity,
    resource: EntityTypeName,
    /// Whether the operation declares a business object; else it is the tool.
    declared: bool,
    /// All that a request has.
    context: Shape,
    /// What of it some rule about the operation reads: only that is given to Cedar.
    read: Shape,
    /// The schema of what is read.
    schema: cedar_policy::Schema,
}

/// A request as Cedar takes it: once for the step, once for the person it acts for.
pub(super) struct Asked {
    pub entities: Entities,
    pub principals: Vec<CedarRequest>,
}

impl Types {
    pub fn new() -> Types {
        let name = |name: &str| name.parse().expect("an identifier is the name of a type");
        Types { step: name("Step"), workflow: name("Workflow"), tenant: name("Tenant"), person: name("Person") }
    }
}

impl Frame {
    /// The frame of one operation of a schema, whose rules read the facts `reads`.
    ///
    /// # Errors
    /// A name in it is none that Cedar takes: the schema was not made by us.
    pub fn new<'a>(
        types: &Types,
        schema: &Schema,
        (name, action, applies): (&Arc<str>, &Action, &Applies),
        reads: impl Iterator<Item = &'a Read>,
    ) -> Result<Frame, String> {
        let kind: EntityTypeName = "Action".parse().expect("an identifier is the name of a type");
        let uid = |id: &str| uid(&kind, id);
        let groups: HashSet<EntityUid> = action.member_of.iter().map(|group| uid(&group.id)).collect();
        let paths: Vec<&[Arc<str>]> = reads.filter_map(Read::in_context).collect();
        let read = applies.context.only(&paths);
        let schema = schema.only(name, action, Applies { context: read.clone(), ..applies.clone() }).cedar()?;
        let [resource] = &*applies.resource_types else { return Err(format!("`{name}` has not one type of resource")) };
        Ok(Frame {
            types: types.clone(),
            action: Entity::new_no_attrs(uid(name), groups),
            declared: &**resource != "Tool",
            resource: resource.parse().map_err(|error| format!("`{resource}` names no type: {error}"))?,
            context: applies.context.clone(),
            read,
            schema,
        })
    }

    /// The request.
    ///
    /// # Errors
    /// What does not fit the schema, as a sentence for an operator.
    pub fn ask(&self, request: &Request<'_>) -> Result<Asked, String> {
        let resource = match (self.declared, request.resource) {
            (true, Some((kind, id))) if kind == self.resource.basename() => uid(&self.resource, id),
            (false, None) => uid(&self.resource, request.tool),
            (true, given) => {
                let given = given.map_or("none", |(kind, _)| kind);
                return Err(format!("the resource is {given}, and the schema has {}", self.resource));
            }
            (false, Some((kind, _))) => return Err(format!("the resource is {kind}, and the schema has none")),
        };
        let tenant = uid(&self.types.tenant, request.tenant);
        let workflow = uid(&self.types.workflow, request.workflow);
        let step = uid(&self.types.step, &request.step_id());
        let person = request.on_behalf_of.map(|person| uid(&self.types.person, person));
        let mut attributes =
            HashMap::from([("version".to_owned(), RestrictedExpression::new_string(request.version.to_owned()))]);
        if let Some(model) = request.model {
            attributes.insert("model".to_owned(), RestrictedExpression::new_string(model.to_owned()));
        }
        if let Some(person) = &person {
            attributes.insert("on_behalf_of".to_owned(), RestrictedExpression::new_entity_uid(person.clone()));
        }
        let asking = Entity::new(step.clone(), attributes, HashSet::from([workflow.clone()]))
            .map_err(|error| error.to_string())?;
        let mut entities =
            vec![asking, Entity::new_no_attrs(workflow, HashSet::from([tenant.clone()])), self.action.clone()];
        if let Some(person) = &person {
            entities.push(Entity::new_no_attrs(person.clone(), HashSet::from([tenant])));
        }
        // Each is of the type that the schema has for it: built above, field by field.
        let entities = Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
        let context = self.context(request)?;
        let asked = |principal| {
            CedarRequest::new(principal, self.action.uid(), resource.clone(), context.clone(), Some(&self.schema))
                .map_err(|error| error.to_string())
        };
        let principals = [Some(step), person].into_iter().flatten().map(asked).collect::<Result<_, _>>()?;
        Ok(Asked { entities, principals })
    }

    /// What the rules read. All of the request must fit the schema, read or not.
    fn context(&self, request: &Request<'_>) -> Result<Context, String> {
        if let Some(input) = self.context.attribute("input") {
            fits(request.input, input, "input")?;
        }
        let mut counters = self.context.attribute("history").into_iter().flat_map(Shape::names);
        if let Some(name) = counters.find(|name| !request.history.contains_key(*name)) {
            return Err(format!("the counter `{name}` has no value"));
        }
        let texts = |texts: &BTreeSet<Arc<str>>| {
            RestrictedExpression::new_set(texts.iter().map(|text| RestrictedExpression::new_string(text.to_string())))
        };
        let mut pairs = Vec::new();
        for name in self.read.names() {
            let shape = self.read.attribute(name).ok_or_else(|| format!("the schema has no `{name}`"))?;
            let value = match &**name {
                "input" => given(request.input, shape)?,
                "run" => given(&request.run_value(), shape)?,
                "history" => {
                    let counts = shape.names().filter_map(|name| Some((name.to_string(), *request.history.get(name)?)));
                    let counts = counts.map(|(name, count)| (name, RestrictedExpression::new_long(count)));
                    RestrictedExpression::new_record(counts).map_err(|error| error.to_string())?
                }
                "sizes" => {
                    let sizes = shape
                        .names()
                        .map(|name| (name.to_string(), RestrictedExpression::new_long(request.size(name))));
                    RestrictedExpression::new_record(sizes).map_err(|error| error.to_string())?
                }
                "labels" => texts(request.labels),
                "control_untrusted" => texts(request.control_untrusted),
                "now" => RestrictedExpression::new_datetime(request.now.to_string()),
                other => return Err(format!("a request has no `{other}`")),
            };
            pairs.push((name.to_string(), value));
        }
        Context::from_pairs(pairs).map_err(|error| error.to_string())
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// Whether a value is what the shape says; what the shape does not know may be anything.
fn fits(value: &Value, shape: &Shape, at: &str) -> Result<(), String> {
    match (shape, value) {
        (Shape::Boolean, Value::Bool(_)) | (Shape::Long, Value::Int(_)) | (Shape::String, Value::Text(_)) => Ok(()),
        (Shape::Set { element }, Value::List(items)) => items.iter().try_for_each(|item| fits(item, element, at)),
        (Shape::Record { attributes }, Value::Map(map)) => {
            attributes.iter().try_for_each(|(name, attribute)| match map.get(name) {
                Some(value) if !value.is_null() => {
                    fits(value, &attribute.shape, name).map_err(|why| why.replacen('`', &format!("`{at}."), 1))
                }
                _ if attribute.required => Err(format!("`{at}.{name}` is missing")),
                _ => Ok(()),
            })
        }
        _ => Err(format!("`{at}` is {}, and the schema has {}", value.kind(), shape.name())),
    }
}

/// A value as a policy sees it: what the shape does not know is left out.
fn given(value: &Value, shape: &Shape) -> Result<RestrictedExpression, String> {
    match (shape, value) {
        (Shape::Boolean, Value::Bool(value)) => Ok(RestrictedExpression::new_bool(*value)),
        (Shape::Long, Value::Int(value)) => Ok(RestrictedExpression::new_long(*value)),
        (Shape::String, Value::Text(text)) => Ok(RestrictedExpression::new_string(text.to_string())),
        (Shape::Set { element }, Value::List(items)) => {
            let items = items.iter().map(|item| given(item, element)).collect::<Result<Vec<_>, _>>()?;
            Ok(RestrictedExpression::new_set(items))
        }
        (Shape::Record { attributes }, Value::Map(map)) => {
            let there = attributes.iter().filter_map(|(name, attribute)| {
                let value = map.get(name).filter(|value| !value.is_null())?;
                Some(given(value, &attribute.shape).map(|value| (name.to_string(), value)))
            });
            let fields = there.collect::<Result<Vec<_>, _>>()?;
            RestrictedExpression::new_record(fields).map_err(|error| error.to_string())
        }
        _ => Err(format!("{} stands where the schema has {}", value.kind(), shape.name())),
    }
}

impl Shape {
    fn name(&self) -> &str {
        match self {
            Shape::Boolean => "Bool",
            Shape::Long => "Long",
            Shape::String => "String",
            Shape::Set { .. } => "Set",
            Shape::Record { .. } => "a record",
            Shape::Entity { name } | Shape::Extension { name } => name,
        }
    }
}

impl Schema {
    /// As Cedar takes it.
    ///
    /// # Errors
    /// What it says against it.
    pub(super) fn cedar(&self) -> Result<cedar_policy::Schema, String> {
        let json = serde_json::to_value(BTreeMap::from([("", self)])).map_err(|error| error.to_string())?;
        cedar_policy::Schema::from_json_value(json).map_err(|error| error.to_string())
    }
}
