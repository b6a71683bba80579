//! What all dialects say of a request: what can be sent, what is left out and why, and how schemas go on the wire.

use std::sync::Arc;

use kernel::{
    context::{ModelRequest, Proposed},
    values::Value,
    workflow::model::{Effort, Remote, Structured},
};
use serde_json::{Map as Object, Value as Json};

use super::forms::Forms;
use crate::model::{
    capabilities::{Row, Sampling, Thinks},
    lower::Lowered,
};

/// How a schema is called on the wire: servers want a name and do nothing with it.
pub(crate) const NAME: &str = "answer";

/// One request on its way into a dialect.
pub(crate) struct Ask<'a> {
    /// What the project says of the model.
    pub(crate) spec: &'a Remote,
    /// What is known of the model.
    pub(crate) row: &'a Row,
    /// What is asked.
    pub(crate) request: &'a ModelRequest,
    forms: Arc<Forms>,
    adaptations: Vec<Arc<str>>,
}

impl<'a> Ask<'a> {
    /// Nothing is left out yet.
    pub(crate) fn new(spec: &'a Remote, row: &'a Row, request: &'a ModelRequest, forms: Arc<Forms>) -> Ask<'a> {
        Ask { spec, row, request, forms, adaptations: Vec::new() }
    }

    /// Something cannot be sent as it was meant.
    pub(crate) fn adapt(&mut self, what: impl Into<Arc<str>>) {
        self.adaptations.push(what.into());
    }

    /// All that could not be sent as it was meant.
    pub(crate) fn adaptations(self) -> Vec<Arc<str>> {
        self.adaptations
    }

    /// The effort, if it was asked for and the model takes it.
    pub(crate) fn effort(&mut self) -> Option<Effort> {
        let effort = self.spec.effort?;
        if self.row.efforts.contains(&effort) {
            return Some(effort);
        }
        let known: Vec<&str> = self.row.efforts.iter().map(|effort| effort.as_str()).collect();
        let takes = if known.is_empty() { "no effort".to_owned() } else { known.join(", ") };
        let (model, word) = (&self.spec.model, effort.as_str());
        self.adapt(format!("`effort: {word}` was left out: `{model}` takes {takes}, as far as is known"));
        None
    }

    /// The temperature, if it was asked for and the model takes it while it thinks, or does not.
    pub(crate) fn temperature(&mut self, effort: Option<Effort>) -> Option<f64> {
        let temperature = self.spec.temperature?;
        let takes = match (self.spec.sampling, self.row.sampling) {
            (Some(takes), _) => takes,
            (None, Sampling::Always) => true,
            (None, Sampling::Never) => false,
            (None, Sampling::UnlessThinking) => !self.thinks(effort),
        };
        if takes {
            return Some(temperature);
        }
        let model = &self.spec.model;
        let when = if self.row.sampling == Sampling::UnlessThinking { " while it thinks" } else { "" };
        self.adapt(format!(
            "`temperature: {temperature}` was left out: `{model}` takes none{when}, as far as is known"
        ));
        None
    }

    /// Whether the model thinks with this effort.
    pub(crate) fn thinks(&self, effort: Option<Effort>) -> bool {
        match (self.row.thinks, effort) {
            (Thinks::Never, _) | (Thinks::WhenAsked | Thinks::ByDefault, Some(Effort::None)) => false,
            (Thinks::WhenAsked, None) => false,
            (Thinks::WhenAsked, Some(_)) | (Thinks::ByDefault, _) => true,
        }
    }

    /// Whether the model is made to use a tool; without offers there is nothing to force.
    pub(crate) fn forces(&mut self, thinking: bool) -> bool {
        if self.request.offers.is_empty() {
            return false;
        }
        let can = self.spec.force_tool.unwrap_or(self.row.forces && !(thinking && self.row.free_thinking));
        if !can {
            let why = if self.row.forces && thinking { "cannot be forced while it thinks" } else { "cannot be forced" };
            let model = &self.spec.model;
            self.adapt(format!("it is free to use a tool or none: `{model}` {why}, as far as is known"));
        }
        can
    }

    /// How the server is told of the answer's shape.
    pub(crate) fn structured(&self) -> Structured {
        self.spec.structured.unwrap_or(self.row.structured)
    }

    /// The answer's schema as the server is sent it, if there is one and the server is to enforce it.
    pub(crate) fn answer_schema(&mut self) -> Option<Json> {
        let forms = self.forms.clone();
        let lowered = forms.answer.as_ref()?;
        if self.structured() != Structured::JsonSchema {
            self.adapt("the answer: the server does not enforce the schema; the model is shown it");
            return None;
        }
        let (told, schema) = (lowered.adaptations(), lowered.enforced().then(|| lowered.schema.clone()));
        told.iter().for_each(|one| self.adapt(format!("the answer: {one}")));
        schema
    }

    /// The parameters of the offer of this number as the server is sent them, and whether it is to enforce them.
    pub(crate) fn offer_schema(&mut self, nth: usize) -> (Json, bool) {
        let forms = self.forms.clone();
        let lowered = &forms.offers[nth];
        let name = self.request.offers[nth].name.clone();
        let (told, schema, whole) = (lowered.adaptations(), lowered.schema.clone(), lowered.enforced());
        let strict = whole && self.structured() == Structured::JsonSchema;
        told.iter().for_each(|one| self.adapt(format!("the arguments of `{name}`: {one}")));
        if whole && !strict {
            self.adapt(format!("the arguments of `{name}`: the server does not enforce the schema"));
        }
        (schema, strict)
    }

    /// The arguments of an earlier proposal, as the model wrote them.
    pub(crate) fn arguments(&self, one: &Proposed) -> Value {
        let nth = self.request.offers.iter().position(|offer| offer.name == one.name);
        match (nth, &one.arguments) {
            (Some(nth), Value::Map(_)) => self.forms.offers[nth].write(&one.arguments),
            _ => one.arguments.clone(),
        }
    }

    /// The system text, with the schema at its end where the model itself must be told of it.
    pub(crate) fn system(&self) -> String {
        let told = |lowered: &&Lowered| self.structured() != Structured::JsonSchema || !lowered.enforced();
        let shown = self.forms.answer.as_ref().filter(told).map(Lowered::told);
        let parts = [Some(self.request.system.as_str()), shown.as_deref()];
        parts.into_iter().flatten().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
    }

    /// Takes what the model is known to reject out of a body that is done.
    pub(crate) fn without_rejected(&mut self, body: &mut Object<String, Json>) {
        for name in self.row.rejects.iter().chain(&self.spec.rejects) {
            if body.shift_remove(&**name).is_some() {
                let model = &self.spec.model;
                self.adaptations
                    .push(format!("`{name}` was left out: `{model}` rejects it, as far as is known").into());
            }
        }
    }

    /// What the provider wants to see again of an earlier turn: only if the same model said it, and the proposals of both are the same.
    pub(crate) fn echo(
        &mut self,
        (model, echo): (&str, Option<&Value>),
        proposed: &[Proposed],
        names: impl Fn(&Json) -> Vec<String>,
    ) -> Option<Json> {
        let echo = echo.filter(|_| *model == *self.request.model)?;
        // The project may say today that somebody else answers for this name.
        let of = |key: &str, word: &str| echo.get(key).and_then(Value::as_str) == Some(word);
        if !of("dialect", self.spec.dialect.as_str()) || !of("model", &self.spec.model) {
            return None;
        }
        let echo = echo.get("parts")?.to_serde();
        let known: Vec<&str> = proposed.iter().map(|one| &*one.name).collect();
        if names(&echo) == known {
            return Some(echo);
        }
        self.adapt("what the provider asked to see again was left out: the uses of tools differ");
        None
    }
}

/// Arguments for a dialect that takes objects only: what is none stands under one name.
pub(crate) fn object(arguments: &Value) -> Json {
    match arguments {
        Value::Map(_) => arguments.to_serde(),
        Value::Null => Json::Object(Object::new()),
        other => serde_json::json!({ "unreadable": other.to_serde() }),
    }
}

/// Arguments for a dialect that takes a text with JSON in it: a text that was no JSON goes back as it came.
pub(crate) fn string(arguments: &Value) -> String {
    match arguments {
        Value::Text(text) => text.to_string(),
        other => other.to_json(),
    }
}
