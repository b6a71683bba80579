//! The schema that policies are checked against, made from the tools: Cedar's own JSON form, of which we use a part.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    tool::{Operation, Tool, judged::GROUPS},
    types::Type,
};

/// What there is: types of entities, and one action per operation and per group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schema {
    /// By name.
    pub entity_types: BTreeMap<Arc<str>, EntityType>,
    /// By name: `tool.operation`, or that of a group.
    pub actions: BTreeMap<Arc<str>, Action>,
}

/// A type of entities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntityType {
    /// In what they may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub member_of_types: Vec<Arc<str>>,
    /// Their attributes: a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
}

/// An operation, or a group of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Action {
    /// The groups that an operation is in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub member_of: Vec<Member>,
    /// For whom, on what and with which facts an operation is judged; a group has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies_to: Option<Applies>,
}

/// The name of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// It.
    pub id: Arc<str>,
}

/// To what an operation applies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Applies {
    /// A step, and the person it acts for.
    pub principal_types: Vec<Arc<str>>,
    /// One type.
    pub resource_types: Vec<Arc<str>>,
    /// A record.
    pub context: Shape,
}

/// The type of a value in a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Shape {
    /// True or false.
    Boolean,
    /// A whole number of 64 bits.
    Long,
    /// A text.
    String,
    /// A list without order.
    Set {
        /// Of what.
        element: Box<Shape>,
    },
    /// A map with known keys.
    Record {
        /// By key.
        attributes: BTreeMap<Arc<str>, Attribute>,
    },
    /// An entity of one type.
    Entity {
        /// The type.
        name: Arc<str>,
    },
    /// `datetime`.
    Extension {
        /// Its name.
        name: Arc<str>,
    },
}

/// One key of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its type.
    #[serde(flatten)]
    pub shape: Shape,
    /// Whether it is always there; if not, a policy asks with `has` first.
    pub required: bool,
}

impl Shape {
    fn record<const N: usize>(attributes: [(&str, Shape, bool); N]) -> Shape {
        let attribute = |(name, shape, required): (&str, Shape, bool)| (name.into(), Attribute { shape, required });
        Shape::Record { attributes: attributes.into_iter().map(attribute).collect() }
    }

    fn texts() -> Shape {
        Shape::Set { element: Box::new(Shape::String) }
    }

    /// What a policy sees of a value. `None`: nothing, because it has a fraction, may be of several kinds, or is not known.
    pub fn of(ty: &Type) -> Option<Shape> {
        match ty {
            Type::Bool => Some(Shape::Boolean),
            Type::Int => Some(Shape::Long),
            Type::Text { .. } => Some(Shape::String),
            Type::List(item) => Some(Shape::Set { element: Box::new(Shape::of(item)?) }),
            Type::Object { fields, .. } => {
                let attributes = fields.iter().filter_map(|(name, (ty, required))| {
                    let required = *required && !ty.may_be_null();
                    Some((name.clone(), Attribute { shape: Shape::of(&ty.present())?, required }))
                });
                Some(Shape::Record { attributes: attributes.collect() })
            }
            Type::Any | Type::Null | Type::Number | Type::Maybe(_) | Type::Union(_) => None,
        }
    }

    /// The same with no more than stands on `paths`; a path that ends keeps all that is below it.
    pub(super) fn only(&self, paths: &[&[Arc<str>]]) -> Shape {
        match self {
            Shape::Record { attributes } if paths.iter().all(|path| !path.is_empty()) => {
                let kept = attributes.iter().filter_map(|(name, attribute)| {
                    let below: Vec<&[Arc<str>]> =
                        paths.iter().filter(|path| path[0] == *name).map(|path| &path[1..]).collect();
                    let attribute = Attribute { shape: attribute.shape.only(&below), required: attribute.required };
                    (!below.is_empty()).then(|| (name.clone(), attribute))
                });
                Shape::Record { attributes: kept.collect() }
            }
            other => other.clone(),
        }
    }

    /// What stands under a key of a record.
    pub fn attribute(&self, name: &str) -> Option<&Shape> {
        match self {
            Shape::Record { attributes } => attributes.get(name).map(|attribute| &attribute.shape),
            _ => None,
        }
    }

    /// The keys of a record.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        let attributes = match self {
            Shape::Record { attributes } => Some(attributes),
            _ => None,
        };
        attributes.into_iter().flat_map(BTreeMap::keys)
    }
}

impl Schema {
    /// The schema of these tools.
    pub fn of_tools(tools: &BTreeMap<Arc<str>, Arc<Tool>>) -> Schema {
        let within = |types: &[&str], shape| EntityType {
            member_of_types: types.iter().map(|name| Arc::from(*name)).collect(),
            shape,
        };
        let step = Shape::record([
            ("version", Shape::String, true),
            ("model", Shape::String, false),
            ("on_behalf_of", Shape::Entity { name: "Person".into() }, false),
        ]);
        let mut entity_types = BTreeMap::from([
            ("Tenant".into(), EntityType::default()),
            ("Workflow".into(), within(&["Tenant"], None)),
            ("Step".into(), within(&["Workflow"], Some(step))),
            ("Person".into(), within(&["Tenant"], None)),
            ("Tool".into(), EntityType::default()),
        ]);
        let mut actions: BTreeMap<Arc<str>, Action> =
            GROUPS.into_iter().map(|group| (group.into(), Action::default())).collect();
        for (tool, file) in tools {
            for (name, operation) in &file.operations {
                for group in &operation.groups {
                    actions.entry(group.clone()).or_default();
                }
                if let Some(resource) = &operation.resource {
                    entity_types.entry(resource.kind.clone()).or_default();
                }
                actions.insert(format!("{tool}.{name}").into(), Action::of(operation));
            }
        }
        Schema { entity_types, actions }
    }

    /// The same with one operation alone, applied to `applies`.
    pub(super) fn only(&self, name: &Arc<str>, action: &Action, applies: Applies) -> Schema {
        let member_of = action.member_of.clone();
        let mut actions: BTreeMap<Arc<str>, Action> =
            member_of.iter().map(|group| (group.id.clone(), Action::default())).collect();
        actions.insert(name.clone(), Action { member_of, applies_to: Some(applies) });
        Schema { entity_types: self.entity_types.clone(), actions }
    }

    /// The operations: `tool.operation`, and to what each applies.
    pub fn operations(&self) -> impl Iterator<Item = (&Arc<str>, &Action, &Applies)> {
        self.actions.iter().filter_map(|(name, action)| Some((name, action, action.applies_to.as_ref()?)))
    }
}

impl Action {
    fn of(operation: &Operation) -> Action {
        let input = operation.params.as_ref().and_then(|params| Shape::of(params.ty()));
        let input = match input {
            Some(record @ Shape::Record { .. }) => record,
            _ => Shape::record([]),
        };
        // Cedar cannot count a set: how long each list is stands beside them.
        let lists = operation.params.iter().flat_map(|params| lists(params.ty()));
        let sizes = lists.map(|name| (name, Attribute { shape: Shape::Long, required: true }));
        let sizes = Shape::Record { attributes: sizes.collect() };
        let run = Shape::record([
            ("id", Shape::String, true),
            ("workflow", Shape::String, true),
            ("attempt", Shape::Long, true),
            ("steps", Shape::Long, true),
            ("cost_microusd", Shape::Long, true),
            ("env", Shape::String, false),
        ]);
        let count = |name: &Arc<str>| (name.clone(), Attribute { shape: Shape::Long, required: true });
        let history = Shape::Record { attributes: operation.counts.keys().map(count).collect() };
        let context = Shape::record([
            ("input", input, true),
            ("run", run, true),
            ("history", history, true),
            ("sizes", sizes, true),
            ("labels", Shape::texts(), true),
            ("control_untrusted", Shape::texts(), true),
            ("now", Shape::Extension { name: "datetime".into() }, true),
        ]);
        let resource = operation.resource.as_ref().map_or_else(|| Arc::from("Tool"), |resource| resource.kind.clone());
        Action {
            member_of: operation.groups.iter().map(|id| Member { id: id.clone() }).collect(),
            applies_to: Some(Applies {
                principal_types: vec!["Step".into(), "Person".into()],
                resource_types: vec![resource],
                context,
            }),
        }
    }
}

/// The arguments that are lists.
fn lists(ty: &Type) -> Vec<Arc<str>> {
    let Type::Object { fields, .. } = ty.present() else { return Vec::new() };
    let list = |ty: &Type| matches!(ty.present(), Type::List(_));
    fields.iter().filter(|(_, field)| list(&field.0)).map(|(name, _)| name.clone()).collect()
}
