//! What can be known of rules before any request: whether they fit the schema, and whether they can ever decide anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use cedar_policy::{
    ActionConstraint, EntityUid, PolicySet, PrincipalConstraint, RequestEnv, ResourceConstraint, ValidationMode,
    Validator, ffi::DetailedError,
};

use super::{Folder, Rule, read::Raw, schema::Schema};
use crate::{
    complaint::{Complaint, Complaints, did_you_mean},
    step::Step,
    tool::judged::GROUPS,
    workflow::Program,
};

/// Checks single rules.
pub(super) struct Checker<'a> {
    pub schema: &'a Schema,
    pub validator: &'a Validator,
    /// The project's workflows, where they are known: a set that was kept knows none.
    pub workflows: Option<&'a BTreeMap<Arc<str>, Arc<Program>>>,
}

/// On what a rule can match: pairs of a principal's type and an operation.
pub(super) type Reach = BTreeSet<(Arc<str>, Arc<str>)>;

impl Checker<'_> {
    /// Whether the rule fits the schema, and on what it can match. `None` with a complaint if it does not fit.
    pub fn rule(
        &self,
        raw: Raw<'_>,
        folder: Folder,
        policy: &cedar_policy::Policy,
        complaints: &mut Complaints,
    ) -> Option<Reach> {
        let before = complaints.len();
        for uid in policy.entity_literals() {
            self.literal(raw, &uid, complaints);
        }
        if complaints.len() > before {
            return None;
        }
        let mut set = PolicySet::new();
        set.add(policy.clone()).ok()?;
        let result = self.validator.validate(&set, ValidationMode::Strict);
        for error in result.validation_errors() {
            let complaint = raw.said("W054", &DetailedError::from(error));
            let of_person = complaint.message.contains("on entity type `Person`");
            let hint = "write `principal is Step`: the rule is asked for the person that the run acts for as well";
            complaints.push(complaint.or_hint(of_person.then(|| hint.to_owned())));
        }
        if complaints.len() > before {
            return None;
        }
        let reach: Reach =
            policy.get_valid_request_envs(self.validator.schema()).map(|env| (principal(&env), action(&env))).collect();
        if reach.is_empty() {
            complaints.push(self.matches_nothing(raw, folder, policy));
        }
        // What is left is about look-alike letters and directions of writing: a way to hide what a rule says.
        for warning in result.validation_warnings().filter(|_| !reach.is_empty()) {
            complaints.push(raw.said("W054", &DetailedError::from(warning)));
        }
        Some(reach)
    }

    /// A rule that matches nothing is a mistake; only one of `never/` about a group of ours may wait for its first operation.
    fn matches_nothing(&self, raw: Raw<'_>, folder: Folder, policy: &cedar_policy::Policy) -> Complaint {
        let named: Vec<EntityUid> = match policy.action_constraint() {
            ActionConstraint::Any => Vec::new(),
            ActionConstraint::In(all) => all,
            ActionConstraint::Eq(one) => vec![one],
        };
        let names: Vec<&str> = named.iter().map(|uid| uid.id().unescaped()).collect();
        let empty = |name: &&str| {
            GROUPS.contains(name)
                && !self.schema.actions.values().any(|one| one.member_of.iter().any(|group| *group.id == **name))
        };
        if !names.is_empty() && names.iter().all(empty) {
            let message = format!("no operation is in {}: the rule matches nothing", names.join(", "));
            let complaint = Complaint::new("W055", raw.file, raw.head(), message)
                .hint("operations say their groups in the tool file: `groups: [ Money ]`");
            return if folder == Folder::Never { complaint.warning() } else { complaint };
        }
        let message = "the rule can never match: no operation fits its scope and its condition";
        Complaint::new("W055", raw.file, raw.head(), message)
            .hint("look at the types that it asks for, and at conditions that are never true")
    }

    fn literal(&self, raw: Raw<'_>, uid: &EntityUid, complaints: &mut Complaints) {
        let (kind, id) = (uid.type_name().basename(), uid.id().unescaped());
        let mut complain = |message: String, hint: Option<String>| {
            let text = uid.to_string();
            let at = raw.text.find(&text).map_or((0, 1), |at| (at, text.len()));
            complaints.push(raw.complaint("W054", at, message).or_hint(hint));
        };
        match kind {
            "Action" if !self.schema.actions.contains_key(id) => {
                let known = self.schema.actions.keys().map(|name| &**name);
                complain(
                    format!("no tool has the operation `{id}`, and no operation is in a group of that name"),
                    did_you_mean(id, known),
                );
            }
            "Workflow" | "Step" => {
                let Some(workflows) = self.workflows else { return };
                let (name, step) = match (kind, id.split_once('/')) {
                    ("Step", Some((name, step))) => (name, Some(step)),
                    ("Step", None) => {
                        let hint = "as in `Step::\"workflow/step\"`".to_owned();
                        return complain(format!("`{id}` is no step: a step is named with its workflow"), Some(hint));
                    }
                    _ => (id, None),
                };
                let Some(program) = workflows.get(name) else {
                    let hint = did_you_mean(name, workflows.keys().map(|name| &**name));
                    return complain(format!("there is no workflow `{name}`"), hint);
                };
                let mut steps = Vec::new();
                program.stages.iter().for_each(|stage| step_names(&stage.steps, &mut steps));
                if let Some(step) = step.filter(|step| !steps.contains(step)) {
                    let hint = did_you_mean(step, steps.iter().copied());
                    complain(format!("the workflow `{name}` has no step `{step}`"), hint);
                }
            }
            _ => {}
        }
    }
}

/// The names of all steps, those of bodies included.
fn step_names<'a>(steps: &'a [Step], names: &mut Vec<&'a str>) {
    for step in steps {
        names.push(&step.name);
        step.bodies().into_iter().for_each(|(_, inner)| step_names(inner, names));
    }
}

fn principal(env: &RequestEnv) -> Arc<str> {
    env.principal().basename().into()
}

fn action(env: &RequestEnv) -> Arc<str> {
    env.action().id().unescaped().into()
}

/// Rules that can never decide, because of other rules.
pub(super) fn reach(rules: &[Rule], raws: &[Raw<'_>], complaints: &mut Complaints) {
    let of_steps = |rule: &Rule| -> BTreeSet<Arc<str>> {
        rule.reach.iter().filter(|(principal, _)| &**principal == "Step").map(|(_, action)| action.clone()).collect()
    };
    let all = |folder: Folder| rules.iter().filter(move |rule| rule.folder == folder);
    let permitted: BTreeSet<Arc<str>> = all(Folder::Allow).flat_map(of_steps).collect();
    let denied: BTreeMap<Arc<str>, &Rule> = all(Folder::Never)
        .filter(|rule| denies_always(rule))
        .flat_map(|rule| of_steps(rule).into_iter().map(move |action| (action, rule)))
        .collect();
    for (rule, raw) in rules.iter().zip(raws) {
        if rule.folder == Folder::Never {
            continue;
        }
        if rule.folder == Folder::Ask && !rule.actions().any(|action| permitted.contains(action)) {
            let message =
                format!("the rule `{}` never asks: no rule in policies/allow/ permits {}", rule.id, rule.named());
            complaints
                .push(Complaint::new("W055", raw.file, raw.head(), message).hint("what is not allowed is denied"));
        }
        if let Some(never) = rule.actions().map(|action| denied.get(action)).reduce(Option::and).flatten() {
            let message = format!(
                "the rule `{}` never decides: `{}` ({}) denies {} always",
                rule.id,
                never.id,
                never.at,
                rule.named()
            );
            complaints.push(Complaint::new("W055", raw.file, raw.head(), message));
        }
    }
}

/// Whether a rule asks for nothing: it denies every step each operation that it matches.
pub(crate) fn denies_always(rule: &Rule) -> bool {
    let policy = &rule.policy;
    let principal = match policy.principal_constraint() {
        PrincipalConstraint::Any => true,
        PrincipalConstraint::Is(kind) => kind.basename() == "Step",
        _ => false,
    };
    let resource = matches!(policy.resource_constraint(), ResourceConstraint::Any | ResourceConstraint::Is(_));
    principal && resource && !policy.has_non_scope_constraint()
}
