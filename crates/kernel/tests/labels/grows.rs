//! Labels only grow: one more at a source, or one `trust:` less, never takes one away from an action.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use kernel::governance::labels::Flow;
use proptest::prelude::*;

/// What a random step does, and which earlier values it reads.
#[derive(Clone, Debug)]
struct Made {
    kind: u8,
    reads: [prop::sample::Index; 3],
    trust: u8,
}

fn made() -> impl Strategy<Value = Made> {
    (0..8_u8, any::<[prop::sample::Index; 3]>(), 0..8_u8).prop_map(|(kind, reads, trust)| Made { kind, reads, trust })
}

const FIELDS: [&str; 4] = ["a", "b", "c", "d"];
const LABELS: [&[&str]; 6] = [&[], &["private"], &["trusted"], &["own"], &["trusted", "own"], &["public", "trusted"]];

/// A project of these steps; `labels` of the four fields of its input; `trust`: whether it is written.
fn project(steps: &[Made], labels: &[Vec<String>], trust: bool) -> String {
    let mut schema = "type: object\nproperties:\n  safe: { type: integer, x-labels: [ trusted ] }\n".to_owned();
    for (field, labels) in FIELDS.iter().zip(labels) {
        let _ = writeln!(schema, "  {field}: {{ type: string, x-labels: [ {} ] }}", labels.join(", "));
    }
    let required = "required: [ safe, a, b, c, d ]\nadditionalProperties: false\n";
    let mut names: Vec<String> = FIELDS.iter().map(|field| format!("input.{field}")).chain(["input".into()]).collect();
    let mut text = String::new();
    for (number, step) in steps.iter().enumerate() {
        let read = |at: usize| step.reads[at].get(&names).clone();
        let (one, two, three) = (read(0), read(1), read(2));
        let name = format!("s{number}");
        let mut gives = vec![name.clone()];
        match step.kind {
            0 => {
                let _ = writeln!(
                    text,
                    "- step: {name}\n  set: {{ x: \"={one}\", y: \"say {{{{ {two} }}}}\", z: [ \"={three}\" ] }}"
                );
                gives.extend(["x", "y", "z"].map(|field| format!("{name}.{field}")));
            }
            1 | 2 => {
                let kind = match step.kind {
                    1 => format!(
                        "reason: prompts/ask.md\n  model: small\n  see: {{ one: \"{one}\", two: {{ from: \"{two}\", labels: [ shown ] }} }}"
                    ),
                    _ => format!("native: f@1\n  with: {{ one: \"={one}\", two: \"={two}\" }}"),
                };
                let _ = writeln!(text, "- step: {name}\n  {kind}\n  output: schemas/out.yaml");
                let mut fields = Vec::new();
                fields.extend((step.trust & 1 != 0).then_some("kind: enum"));
                fields.extend((step.trust & 2 != 0).then_some("cents: { at_most: input.safe }"));
                fields.extend((step.trust & 4 != 0).then_some("id: { in: \"[ input.safe ]\" }"));
                if trust && !fields.is_empty() {
                    let _ = writeln!(text, "  trust: {{ {} }}", fields.join(", "));
                }
                gives.extend(["kind", "cents", "id", "note"].map(|field| format!("{name}.{field}")));
            }
            3 => {
                let _ = writeln!(
                    text,
                    "- step: {name}\n  each: \"[ {one}, {two} ]\"\n  steps:\n    - {{ step: i{number}, set: {{ v: =item, w: \"={three}\" }} }}\n    \
                     - {{ step: p{number}, act: box.put, with: {{ to: =i{number}.v, w: \"={three}\" }} }}\n  gives: =i{number}"
                );
                gives.push(format!("{name}[0].v"));
            }
            4 => {
                let _ = writeln!(
                    text,
                    "- step: {name}\n  parallel:\n    branches:\n      l: {{ steps: [ {{ step: l{number}, set: {{ v: \"={one}\" }} }} ] }}\n      \
                     r: {{ steps: [ {{ step: r{number}, set: {{ v: \"={two}\" }} }} ] }}"
                );
                gives.extend([format!("{name}.l"), format!("{name}.r.v")]);
            }
            5 => {
                let operation = ["look", "known", "echo"][usize::from(step.trust % 3)];
                let _ = writeln!(
                    text,
                    "- {{ step: {name}, act: box.{operation}, with: {{ one: \"={one}\", two: \"={two}\" }} }}"
                );
                gives.push(format!("{name}.field"));
            }
            6 => {
                let _ = writeln!(
                    text,
                    "- step: {name}\n  repeat:\n    max: 2\n    steps:\n      - {{ step: t{number}, native: g@1, with: {{ before: \"={name}\", \
                     one: \"={one}\" }} }}\n      - {{ step: u{number}, set: {{ t: =t{number}, two: \"={two}\" }} }}"
                );
                gives.push(format!("{name}.two"));
            }
            _ => {
                let _ =
                    writeln!(text, "- step: {name}\n  set: \"={one} if ([ {two}, {three} ] | length) > 1 else {two}\"");
            }
        }
        names.extend(gives);
    }
    for (number, name) in names.iter().enumerate() {
        let _ = writeln!(text, "- {{ step: a{number}, act: box.put, with: {{ to: \"={name}\" }} }}");
    }
    format!("{}--- schemas/in.yaml\n{schema}{required}", crate::steps(&text))
}

/// For each argument of each action: what it carries for certain, and what it may carry.
type Carried = BTreeMap<(Arc<str>, Arc<str>), (BTreeSet<Arc<str>>, BTreeSet<Arc<str>>)>;

fn carried(flow: &Flow) -> Carried {
    flow.acts
        .iter()
        .flat_map(|(step, act)| {
            let one =
                |origin: &kernel::governance::labels::Origin| (origin.labels.keys().cloned().collect(), origin.words());
            act.arguments.iter().map(move |(pointer, origin)| ((step.clone(), pointer.clone()), one(origin)))
        })
        .collect()
}

fn grew(less: &Carried, more: &Carried) -> Result<(), TestCaseError> {
    prop_assert_eq!(less.keys().collect::<Vec<_>>(), more.keys().collect::<Vec<_>>());
    for (place, (certain, possible)) in less {
        let (also_certain, also_possible) = &more[place];
        prop_assert!(certain.is_subset(also_certain), "{:?}: {:?} is not in {:?}", place, certain, also_certain);
        prop_assert!(possible.is_subset(also_possible), "{:?}: {:?} is not in {:?}", place, possible, also_possible);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_more_label_at_a_source_takes_none_away(
        steps in prop::collection::vec(made(), 1..9),
        labels in prop::array::uniform4(0..LABELS.len()),
        field in 0..4_usize,
        more in prop::sample::select(vec!["extra", "own", "secret", "private", "untrusted"]),
    ) {
        let before: Vec<Vec<String>> =
            labels.iter().map(|at| LABELS[*at].iter().map(|label| (*label).to_owned()).collect()).collect();
        let mut after = before.clone();
        // What is declared to be the opposite is the declaration that changes.
        after[field].retain(|label| match more {
            "untrusted" => label != "trusted",
            "private" | "secret" => label != "public",
            _ => true,
        });
        after[field].push(more.to_owned());
        let less = carried(&crate::program(&project(&steps, &before, true)).labels);
        let more = carried(&crate::program(&project(&steps, &after, true)).labels);
        grew(&less, &more)?;
    }

    #[test]
    fn without_trust_nothing_is_lower(
        steps in prop::collection::vec(made(), 1..9),
        labels in prop::array::uniform4(0..LABELS.len()),
    ) {
        let labels: Vec<Vec<String>> =
            labels.iter().map(|at| LABELS[*at].iter().map(|label| (*label).to_owned()).collect()).collect();
        let less = carried(&crate::program(&project(&steps, &labels, true)).labels);
        let more = carried(&crate::program(&project(&steps, &labels, false)).labels);
        grew(&less, &more)?;
    }
}
