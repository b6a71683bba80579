//! `agent` as it stands in a workflow file.

use std::sync::Arc;

use super::Agent;
use crate::{
    context::Offer,
    run::ASK,
    schema::Schema,
    step::{
        Kind,
        proposals::{self, Granted},
        reason,
        turn::{ANSWER, Turning},
    },
    types::{Property, Type},
    workflow::reading::Reading,
    yaml::{Fields, Node},
};

/// The keys of this kind.
pub(crate) const KEYS: [&str; 8] = ["agent", "model", "see", "tools", "limits", "output", "check", "trust"];
/// Documented keys of later versions.
pub(crate) const LATER: [&str; 2] = ["unsure", "budget"];

/// Turns and actions of an agent that does not say, and the most that it may say.
const TURNS: (u32, i64) = (8, 50);
const ACTIONS: (u32, i64) = (8, 100);

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, name: Option<&Arc<str>>, reading: &mut Reading<'_>) -> Option<(Agent, Type)> {
    let ask = reason::read_ask(fields, "agent", reading);
    let by = name.cloned().unwrap_or_default();
    let granted = fields.required("tools", &mut reading.complaints);
    let granted = granted.and_then(|node| proposals::read(node, &by, reading));
    let (turns, actions) = limits(fields, reading);
    if let (Some((ask, _)), Some(node)) = (&ask, fields.get("model"))
        && reading.is_of_rules(&ask.model)
    {
        let complaint = proposals::cannot_propose(node, &ask.model);
        reading.complaints.push(complaint);
        return None;
    }
    let ((mut ask, ty), granted) = (ask?, granted?);
    let claims = granted.iter().any(Granted::writes);
    let output = fields.get("output")?;
    is_object(output, &ask.output, reading)?;
    if claims {
        has_claims(output, &ty, &granted, reading)?;
    }
    let says = match claims {
        true => {
            "Ends your work with this answer. Its claims name every action that you did, each with the evidence that was given with \
             its result"
        }
        false => "Ends your work with this answer",
    };
    let answer = Offer { name: ANSWER.into(), says: says.into(), params: ask.output.clone() };
    ask.turn = Some(Turning {
        by,
        offers: granted.iter().map(Granted::offer).chain([answer]).collect(),
        actions: granted.iter().map(|one| (one.name.clone(), one.action().into())).collect(),
        claims,
    });
    let ask = proposals::inner(ASK, fields.node.span, Kind::Reason(ask), ty.clone());
    Some((Agent { ask, granted, turns, actions }, ty))
}

fn limits(fields: &Fields<'_>, reading: &mut Reading<'_>) -> (u32, u32) {
    let node = fields.get("limits");
    let read = node.and_then(|node| Fields::new(node, "`limits`", &["turns", "actions"], &[], &mut reading.complaints));
    let mut limit = |key: &str, (usual, most): (u32, i64)| {
        let said = read.as_ref().and_then(|fields| fields.int(key, 1, most, &mut reading.complaints));
        said.and_then(|said| u32::try_from(said).ok()).unwrap_or(usual)
    };
    (limit("turns", TURNS), limit("actions", ACTIONS))
}

/// What an agent proposes has named arguments, and its answer is proposed like anything else.
fn is_object(node: &Node, output: &Schema, reading: &mut Reading<'_>) -> Option<()> {
    if output.json().get("type") == Some(&"object".into()) {
        return Some(());
    }
    let message = "the answer of an agent is an object: it proposes it like an action, by named arguments";
    reading.complaints.push(node.complaint("W169", message).hint("give the schema `type: object`"));
    None
}

/// Whoever may change something says what was done, in a form that can be compared.
fn has_claims(node: &Node, ty: &Type, granted: &[Granted], reading: &mut Reading<'_>) -> Option<()> {
    let claims = match ty.property("claims") {
        Property::Found { ty: Type::List(item), required: true } => Some(item),
        _ => None,
    };
    let text = |key: &str, wanted: bool| {
        let found = claims.as_ref().map(|claim| claim.property(key));
        matches!(found, Some(Property::Found { ty, required }) if (required || !wanted) && Type::TEXT.refusal(&ty.present()).is_none())
    };
    let good = ["says", "action", "status"].iter().all(|key| text(key, true)) && text("evidence", false);
    if good {
        return Some(());
    }
    let writing = granted.iter().find(|one| one.writes()).map(Granted::action).unwrap_or_default();
    let message =
        format!("`{writing}` changes something, so the answer must say what was done, as `claims` that can be proven");
    let hint = "the schema needs `required: [ claims ]` and \
                `claims: { type: array, items: { type: object, required: [ says, action, status ], properties: { says: { type: string }, \
                action: { type: string }, resource: { type: string }, status: { enum: [ succeeded, failed ] }, \
                evidence: { type: string } } } }`";
    reading.complaints.push(node.complaint("W170", message).hint(hint));
    None
}
