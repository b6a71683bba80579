//! What `check` says of what models are shown: what is not used, what is too much, what cannot fit, and what must not be there.

mod secrets;
mod size;

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    complaint::{Complaint, Place},
    context::{self, tokens_of},
    governance::labels::{PRIVATE, SECRET, Shown, UNTRUSTED},
    recovery::Recovery,
    step::{Kind, Step},
    types::Type,
    workflow::{
        Layer, Overflow, Program, Prompt, See, Stage,
        project::{ProjectFile, Provider, Sources},
    },
};

/// More fields than this of a whole input or a whole step's value are more than a prompt uses.
const MANY: usize = 12;

/// Of one project: its prompts, and the steps of its workflows that ask a model.
pub(super) fn complaints<'p>(
    sources: &Sources,
    file: &ProjectFile,
    programs: impl Iterator<Item = &'p Program>,
) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (path, text) in sources.below("prompts/", "") {
        secrets::find(path, text, &mut found);
    }
    for program in programs {
        of_program(program, file, &mut found);
    }
    found
}

/// A step that asks a model.
struct Asking<'p> {
    step: &'p Step,
    stage: &'p Stage,
    prompt: &'p Prompt,
    see: &'p [See],
    model: &'p Arc<str>,
    tokens: Option<u64>,
    shown: &'p [Shown],
}

impl<'p> Asking<'p> {
    fn of(step: &'p Step, stage: &'p Stage, program: &'p Program) -> Option<Asking<'p>> {
        let reason = match &step.kind {
            Kind::Reason(reason) => reason,
            Kind::Agent(agent) => agent.asks(),
            Kind::Plan(plan) => plan.asks(),
            _ => return None,
        };
        let shown = program.labels.shown.get(&step.name).map_or(&[][..], Vec::as_slice);
        let (prompt, see, model, tokens) = (&reason.prompt, &reason.see, &reason.model, reason.tokens);
        Some(Asking { step, stage, prompt, see, model, tokens, shown })
    }
}

fn all<'p>(steps: &'p [Step], stage: &'p Stage, program: &'p Program, found: &mut Vec<Asking<'p>>) {
    for step in steps {
        found.extend(Asking::of(step, stage, program));
        step.bodies().into_iter().for_each(|(_, steps)| all(steps, stage, program, found));
    }
}

fn of_program(program: &Program, file: &ProjectFile, found: &mut Vec<Complaint>) {
    let mut asking = Vec::new();
    program.stages.iter().for_each(|stage| all(&stage.steps, stage, program, &mut asking));
    let mut say = |complaint| found.push(complaint);
    if let Some(layer) = &program.context {
        let below: Vec<&Asking<'_>> = asking.iter().collect();
        of_layer(program, layer, context::Layer::Shared, &below, &mut say);
    }
    for stage in &program.stages {
        let Some(layer) = &stage.context else { continue };
        let below: Vec<&Asking<'_>> = asking.iter().filter(|one| one.stage.name == stage.name).collect();
        of_layer(program, layer, context::Layer::Stage, &below, &mut say);
    }
    for one in &asking {
        items(program, (one.prompt, one.see), context::Layer::Task, one.shown, &mut say);
        twice(program, one, &mut say);
        call_budget(program, one, &mut say);
        cleared(program, file, one, &mut say);
    }
}

fn of_layer(
    program: &Program,
    layer: &Layer,
    which: context::Layer,
    below: &[&Asking<'_>],
    say: &mut dyn FnMut(Complaint),
) {
    let shown: &[Shown] = below.first().map_or(&[], |one| one.shown);
    items(program, (&layer.prompt, &layer.see), which, shown, say);
    for item in layer.see.iter().filter(|item| layer.prompt.places(&item.name)) {
        let untrusted =
            below.iter().flat_map(|one| one.shown).any(|one| is(one, which, item) && one.carries(UNTRUSTED));
        let hint = format!(
            "leave the hole out of {}: what `see:` names and no hole places is shown below the text",
            layer.prompt.file
        );
        let complaint = if untrusted {
            let message =
                format!("`{}` is untrusted and stands in the text of a layer, which is system text", item.name);
            Complaint::new("W155", &program.file, item.at, message)
        } else {
            let message =
                format!("`{}` comes from the run and stands in the text of a layer: no cache can hold it", item.name);
            Complaint::new("W154", &program.file, item.at, message).warning()
        };
        say(complaint.hint(hint));
    }
    let Some(limit) = layer.tokens else { return };
    fits(program, layer.at, ("the layer", limit), &[(&layer.prompt, &layer.see)], say);
}

fn is(shown: &Shown, layer: context::Layer, item: &See) -> bool {
    shown.layer == layer && shown.item == item.name
}

/// What a prompt is given and does not use.
fn items(
    program: &Program,
    (prompt, see): (&Prompt, &[See]),
    layer: context::Layer,
    shown: &[Shown],
    say: &mut dyn FnMut(Complaint),
) {
    let at = |id, item: &See, message| Complaint::new(id, &program.file, item.at, message);
    for item in see {
        let reads: Vec<&[Arc<str>]> = prompt
            .reads
            .iter()
            .flatten()
            .filter(|(name, _)| *name == item.name)
            .map(|(_, fields)| &fields[..])
            .collect();
        if reads.is_empty() && !prompt.reads.is_empty() {
            let message = format!("no hole of {} places `{}`, and others have one", prompt.file, item.name);
            let hint =
                format!("it is shown before the text; write {{{{ {} }}}} where it belongs, or leave it out", item.name);
            say(at("W151", item, message).warning().hint(hint));
        }
        let private = shown.iter().find(|one| is(one, layer, item)).map_or(&[][..], |one| &one.private);
        let used: BTreeSet<&Arc<str>> = reads.iter().filter_map(|fields| fields.first()).collect();
        if !reads.is_empty() && reads.iter().all(|fields| !fields.is_empty()) {
            unused(item, &used, private, &mut |id, message, hint| say(at(id, item, message).warning().hint(hint)));
        } else if let Some(first) = private.first() {
            let message =
                format!("`{}` shows all of `{}`, also `{first}`, which is private", item.name, item.from.source());
            say(at("W152", item, message).warning().hint("show the fields that the prompt needs"));
        } else if is_whole(item)
            && let Type::Object { fields, .. } = item.ty.present()
            && fields.len() > MANY
        {
            let message = format!("`{}` shows all {} fields of `{}`", item.name, fields.len(), item.from.source());
            say(at("W152", item, message).warning().hint("show the fields that the prompt needs"));
        }
        possible(program, prompt, item, &reads, say);
    }
}

/// Whether it is all of the input, of an item or of a step's value.
fn is_whole(item: &See) -> bool {
    matches!(item.from.derivation(), crate::expr::Derivation::Path { fields, .. } if fields.is_empty())
}

/// Fields that no hole reads.
fn unused(
    item: &See,
    used: &BTreeSet<&Arc<str>>,
    private: &[Arc<str>],
    say: &mut dyn FnMut(&'static str, String, String),
) {
    let Type::Object { fields, .. } = item.ty.present() else { return };
    let rest: Vec<&Arc<str>> = fields.keys().filter(|name| !used.contains(name)).collect();
    let Some(first) = rest.first() else { return };
    let shown: Vec<String> = used.iter().map(|name| format!("{name}: {}.{name}", item.from.source())).collect();
    let hint = format!("show what the prompt uses: `{{ {} }}`", shown.join(", "));
    match private.iter().find(|name| !used.contains(name)) {
        Some(name) => {
            say("W152", format!("`{}` also gives `{name}`, which is private, and no hole uses it", item.name), hint);
        }
        None => {
            let message = match rest.len() {
                1 => format!("no hole uses the field `{first}` of `{}`", item.name),
                n => format!("no hole uses {n} fields of `{}`, as `{first}`", item.name),
            };
            say("W150", message, hint);
        }
    }
}

/// Whether an item can be left out or replaced where the prompt places it, and whether it can ever be too long.
fn possible(program: &Program, prompt: &Prompt, item: &See, reads: &[&[Arc<str>]], say: &mut dyn FnMut(Complaint)) {
    let complaint = |id, message: String| Complaint::new(id, &program.file, item.at, message);
    match item.overflow {
        Overflow::Fail if !item.required && !reads.is_empty() => {
            let message = format!("`{}` may be left out, and {} places it", item.name, prompt.file);
            let hint = "say what shrinks with `overflow`, or leave its hole out of the prompt";
            say(complaint("W158", message).hint(hint));
        }
        Overflow::Offload if reads.iter().any(|fields| !fields.is_empty()) => {
            let message = format!("`{}` may be set aside, and {} reads fields of it", item.name, prompt.file);
            say(complaint("W158", message).hint("a reference has no fields: place all of it, or let it shrink"));
        }
        _ => {}
    }
    if let (Some(limit), true) = (item.tokens, item.required)
        && let Some(largest) = size::largest(program, &item.from)
        && largest.div_ceil(3) > limit
    {
        let message = format!(
            "`{}` may have {} tokens by its schema, {limit} fit, and it never shrinks",
            item.name,
            largest.div_ceil(3)
        );
        let hint = "give it more `tokens`, an `overflow`, or a smaller `maxLength` or `maxItems` in its schema";
        say(complaint("W156", message).warning().hint(hint));
    }
}

/// Names of two layers that are one.
fn twice(program: &Program, one: &Asking<'_>, say: &mut dyn FnMut(Complaint)) {
    for item in one.see {
        let other = one.shown.iter().find(|other| other.layer != context::Layer::Task && other.item == item.name);
        let Some(other) = other else { continue };
        let whose = if other.layer == context::Layer::Shared { "the workflow" } else { "the stage" };
        let message = format!("the context of {whose} shows something under the name `{}` as well", item.name);
        say(Complaint::new("W153", &program.file, item.at, message).hint("give one of the two another name"));
    }
}

fn call_budget(program: &Program, one: &Asking<'_>, say: &mut dyn FnMut(Complaint)) {
    let Some(limit) = one.tokens else { return };
    let layers = [program.context.as_ref(), one.stage.context.as_ref()];
    for layer in layers.into_iter().flatten() {
        if let Some(tokens) = layer.tokens.filter(|tokens| *tokens > limit) {
            let message = format!(
                "the budget of `{}` is {limit} tokens, and {} may take {tokens}",
                one.step.name, layer.prompt.file
            );
            say(Complaint::new("W156", &program.file, one.step.at, message).hint("the call holds its layers"));
        }
    }
    let layers = layers.into_iter().flatten().map(|layer| (&layer.prompt, layer.see.as_slice()));
    let parts: Vec<(&Prompt, &[See])> = layers.chain([(one.prompt, one.see)]).collect();
    fits(program, one.step.at, ("the call", limit), &parts, say);
}

/// Whether texts and what never shrinks fit.
fn fits(
    program: &Program,
    at: Place,
    (what, limit): (&str, u64),
    parts: &[(&Prompt, &[See])],
    say: &mut dyn FnMut(Complaint),
) {
    let texts: u64 = parts.iter().map(|(prompt, _)| tokens_of(prompt.text.source().trim())).sum();
    let required = parts.iter().flat_map(|(_, see)| *see).filter(|item| item.required).filter_map(|item| item.tokens);
    let required: u64 = required.sum();
    let message = if texts > limit {
        format!("{what} may have {limit} tokens, and its text alone has about {texts}")
    } else if texts + required > limit {
        format!(
            "{what} may have {limit} tokens; its text has about {texts}, and what never shrinks may have {required}"
        )
    } else {
        return;
    };
    say(Complaint::new("W156", &program.file, at, message)
        .hint("raise the budget, or let an item shrink with `overflow`"));
}

/// Data that is not for everybody, and models that others run.
fn cleared(program: &Program, file: &ProjectFile, one: &Asking<'_>, say: &mut dyn FnMut(Complaint)) {
    let lists = [&one.step.on_failure, &one.stage.on_failure, &program.on_failure];
    let fallbacks = lists.into_iter().flat_map(|list| list.values()).flatten().filter_map(|recovery| match recovery {
        Recovery::Model(model) => Some(model),
        _ => None,
    });
    let named = [one.model].into_iter().chain(fallbacks);
    let models: BTreeSet<&Arc<str>> = named.flat_map(|name| program.routes.behind(name)).collect();
    for model in models {
        let Some(decl) = file.models.get(model) else { continue };
        if matches!(decl.provider, Provider::Scripted { .. } | Provider::Rules { .. } | Provider::Registered) {
            continue;
        }
        let may = file.cleared.get(model);
        for label in [SECRET, PRIVATE] {
            let shown: Vec<String> = one
                .shown
                .iter()
                .filter(|shown| shown.carries(label))
                .map(|shown| format!("`{}`", shown.item))
                .collect();
            if shown.is_empty() || may.is_some_and(|may| may.contains(label)) {
                continue;
            }
            let message = format!("model `{model}` is shown {}, which is {label}", shown.join(", "));
            let hint = format!("if it may see that, write `cleared: [{label}]` at the model in surefoot.yaml");
            say(Complaint::new("W159", &program.file, one.step.at, message).warning().hint(hint));
        }
    }
}
