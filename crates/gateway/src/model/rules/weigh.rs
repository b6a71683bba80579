//! `weights:`: linear scores over what is found in texts, squashed to a number from 0 to 1 or to one of several labels.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    expr::Template,
    types::Type,
    values::{Map, Value},
    yaml::{Fields, Kind as NodeKind, Node},
};
use regex::Regex;

use super::{
    Shown,
    calibration::{Table, four},
    kind::plain,
    read::Reader,
    scope::values,
    words::Words,
};

/// The most findings of one feature that count, and the most words that are told.
const MOST: usize = 100;
const MOST_TOLD: usize = 20;
/// No feature counts for more: sums stay numbers, and the score is 0 or 1 long before.
const FAR: f64 = 1e6;

/// One score, or one choice between labels.
#[derive(Debug)]
pub(super) struct Weigher {
    texts: Vec<Arc<str>>,
    way: Way,
    table: Option<Table>,
}

#[derive(Debug)]
enum Way {
    /// Score and whether it is at least so much.
    Score { linear: Linear, at_least: f64 },
    /// The label with the highest sum.
    Labels(Vec<(Arc<str>, Linear)>),
}

#[derive(Debug)]
struct Linear {
    bias: f64,
    features: Vec<Feature>,
    words: Option<Words>,
}

#[derive(Debug)]
struct Feature {
    weight: f64,
    what: What,
}

#[derive(Debug)]
enum What {
    /// How often the pattern is found, counted up to `most`.
    Found { pattern: Regex, most: usize },
    /// A number, or true for 1 and false for 0.
    Value { source: String, template: Template },
}

/// What a score came to.
pub(super) struct Weighed {
    /// As `answer:` sees it.
    pub value: Value,
    /// The score of what was decided, for the table.
    pub certainty: f64,
    /// What was decided: true, false, or a label.
    pub decided: Value,
}

impl Weigher {
    pub(super) fn read(node: &Node, name: &str, reader: &mut Reader<'_>) -> Option<(Weigher, Type)> {
        let known = ["in", "bias", "features", "words", "at_least", "labels"];
        let fields = Fields::new(node, "a weight", &known, &[], &mut reader.complaints)?;
        reader.scored.push(name.to_owned());
        let table = reader.calibration.of(name).cloned();
        let texts = reader.texts(&fields);
        let mut types = vec![("score", Type::Number), ("found", Type::list(Type::TEXT))];
        if table.is_some() {
            types.push(("confidence", Type::Number));
        }
        let way = if let Some(labels) = fields.get("labels") {
            for key in ["bias", "features", "words", "at_least"] {
                if let Some(key) = fields.key(key) {
                    let message = format!("`{}` belongs to one label, not beside `labels`", key.text);
                    let complaint = node.complaint("W001", message);
                    reader.complaints.push(kernel::complaint::Complaint { at: Some(key.span), ..complaint });
                }
            }
            let mut list = Vec::new();
            for (label, node) in labels.map(&mut reader.complaints)? {
                let fields = Fields::new(node, "a label", &["bias", "features", "words"], &[], &mut reader.complaints)?;
                list.push((label.text.clone(), Linear::read(&fields, reader)));
            }
            if list.len() < 2 {
                reader.complaints.push(labels.expected("at least two labels"));
                return None;
            }
            let words: Vec<Arc<str>> = list.iter().map(|(label, _)| label.clone()).collect();
            types.push(("scores", Type::object(words.iter().map(|label| (label.clone(), Type::Number)))));
            types.push(("label", Type::Text { options: Some(words.into()) }));
            Way::Labels(list)
        } else {
            if !fields.has("words") {
                fields.required("features", &mut reader.complaints)?;
            }
            types.push(("is", Type::Bool));
            let at_least = fields.get("at_least").and_then(|node| reader.share(node)).unwrap_or(0.5);
            Way::Score { linear: Linear::read(&fields, reader), at_least }
        };
        Some((Weigher { texts, way, table }, Type::object(types)))
    }

    /// # Errors
    /// An expression of it failed.
    pub(super) fn weigh(&self, shown: &Shown) -> Result<Weighed, String> {
        let texts: Vec<&str> = self.texts.iter().filter_map(|name| shown.text(name)).collect();
        let mut map = Map::new();
        let (certainty, decided, found) = match &self.way {
            Way::Score { linear, at_least } => {
                let (sum, found) = linear.sum(&texts, shown)?;
                let score = four(1.0 / (1.0 + (-sum).exp()));
                let is = score >= *at_least;
                map.insert("is".into(), Value::Bool(is));
                map.insert("score".into(), number(score));
                (if is { score } else { four(1.0 - score) }, Value::Bool(is), found)
            }
            Way::Labels(labels) => {
                let mut sums = Vec::new();
                for (label, linear) in labels {
                    let (sum, found) = linear.sum(&texts, shown)?;
                    sums.push((label, sum, found));
                }
                // Softmax, with the highest sum taken out so that nothing grows beyond a number.
                let top = sums.iter().map(|(_, sum, _)| *sum).fold(f64::NEG_INFINITY, f64::max);
                let parts: Vec<f64> = sums.iter().map(|(_, sum, _)| (sum - top).exp()).collect();
                let whole: f64 = parts.iter().sum();
                let scores: BTreeMap<Arc<str>, Value> = sums
                    .iter()
                    .zip(&parts)
                    .map(|((label, ..), part)| ((*label).clone(), number(part / whole)))
                    .collect();
                map.insert("scores".into(), Value::Map(Arc::new(scores)));
                // Of equals, the first that is written.
                let at = sums.iter().position(|(_, sum, _)| *sum >= top).unwrap_or_default();
                let label = Value::Text(sums[at].0.clone());
                map.insert("label".into(), label.clone());
                let score = four(parts[at] / whole);
                map.insert("score".into(), number(score));
                (score, label, sums.swap_remove(at).2)
            }
        };
        if let Some(table) = &self.table {
            map.insert("confidence".into(), number(table.confidence(certainty)));
        }
        map.insert("found".into(), Value::list(found.into_iter().map(Value::text)));
        Ok(Weighed { value: Value::Map(Arc::new(map)), certainty, decided })
    }
}

fn number(number: f64) -> Value {
    Value::number(four(number)).unwrap_or_default()
}

impl Linear {
    fn read(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Linear {
        let bias = fields.get("bias").and_then(|node| node.number(&mut reader.complaints)).unwrap_or_default();
        let entries = fields.map("features", &mut reader.complaints);
        let features = entries.iter().filter_map(|(key, node)| Feature::read(&key.text, node, reader)).collect();
        let words = fields.get("words").and_then(|node| Words::read(node, reader));
        Linear { bias, features, words }
    }

    /// The sum, and the words that were found for it.
    fn sum(&self, texts: &[&str], shown: &Shown) -> Result<(f64, Vec<String>), String> {
        let (mut sum, mut told) = (self.bias.clamp(-FAR, FAR), Vec::new());
        for feature in &self.features {
            sum += (feature.weight * feature.count(texts, shown, &mut told)?).clamp(-FAR, FAR);
        }
        if let Some(words) = &self.words {
            let (worth, found) = words.sum(texts);
            sum += worth.clamp(-FAR, FAR);
            for word in found {
                if told.len() < MOST_TOLD && !told.iter().any(|other| other == word) {
                    told.push(word.to_owned());
                }
            }
        }
        Ok((sum, told))
    }
}

impl Feature {
    /// `name: weight`, `name: { weight, most }` or `name: { weight, value }`.
    fn read(name: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Feature> {
        let NodeKind::Map(_) = &node.kind else {
            let pattern = reader.shapes.by_name(name, node, &mut reader.complaints)?;
            let weight = node.number(&mut reader.complaints)?;
            return Some(Feature { weight, what: What::Found { pattern, most: 1 } });
        };
        let fields = Fields::new(node, "a feature", &["weight", "most", "value"], &[], &mut reader.complaints)?;
        let weight = fields.required("weight", &mut reader.complaints)?.number(&mut reader.complaints)?;
        let most = fields.int("most", 1, i64::try_from(MOST).unwrap_or(i64::MAX), &mut reader.complaints);
        let Some(value) = fields.get("value") else {
            let pattern = reader.shapes.by_name(name, node, &mut reader.complaints)?;
            let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(1);
            return Some(Feature { weight, what: What::Found { pattern, most } });
        };
        if reader.shapes.has(name) || most.is_some() {
            let message = format!("`{name}` is found in texts, or computed by `value`: not both");
            reader.complaints.push(node.complaint("W005", message));
        }
        let (template, ty) = reader.shown.template(value, &mut reader.complaints)?;
        if !Type::Number.accepts(&ty) && !Type::Bool.accepts(&ty) {
            reader.complaints.push(value.expected("an expression for a number, or for true or false"));
        }
        Some(Feature { weight, what: What::Value { source: name.to_owned(), template } })
    }

    fn count(&self, texts: &[&str], shown: &Shown, told: &mut Vec<String>) -> Result<f64, String> {
        let (pattern, most) = match &self.what {
            What::Found { pattern, most } => (pattern, *most),
            What::Value { source, template } => {
                let value = template.eval(&values(template.roots(), |name| shown.get(name).cloned()))?;
                return match value {
                    #[expect(clippy::cast_precision_loss, reason = "whole numbers stay below 2^53: held by Value")]
                    Value::Int(number) => Ok(number as f64),
                    Value::Float(number) => Ok(number),
                    Value::Bool(truth) => Ok(f64::from(u8::from(truth))),
                    other => Err(format!("the feature `{source}` is {}, no number", other.kind())),
                };
            }
        };
        let mut count = 0_u32;
        // No more than `most` are looked for: that is what keeps the time proportional to the length of the text.
        for found in texts.iter().flat_map(|text| pattern.find_iter(text)).take(most) {
            count += 1;
            let word = plain(found.as_str());
            if told.len() < MOST_TOLD && !told.contains(&word) {
                told.push(word);
            }
        }
        Ok(f64::from(count))
    }
}
