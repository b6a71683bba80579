//! Weights of words and phrases, learnt from labelled messages: what stands in `lexicons/`.
//!
//! One sparse linear model over which words and pairs of words stand in a message, with a softmax over the categories, fitted by
//! FTRL-Proximal (McMahan et al. 2013): the penalty on each weight leaves most of them at nothing, so that what remains can be read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use surefoot::rules::words::words_of;

use crate::{banking::Example, chance::Chance};

/// The words of the longest phrase.
const LONGEST: usize = 2;
/// A phrase that fewer messages hold is no evidence of anything.
const FEWEST: usize = 3;
/// How often all messages are gone through.
const PASSES: usize = 25;
/// The rate of learning, how it begins, and the penalties on the absolute and the squared weight.
const ALPHA: f64 = 0.5;
const BETA: f64 = 1.0;
const L1: f64 = 10.0;
const L2: f64 = 1.0;

/// A linear model, by category.
pub type Model = BTreeMap<String, Linear>;

/// One category's part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Linear {
    /// What a message without a known word comes to.
    pub bias: f64,
    /// What each word or phrase adds.
    pub words: BTreeMap<Arc<str>, f64>,
}

/// Learns from `examples`: the same examples give the same model.
pub fn learn(examples: &[&Example]) -> Model {
    let mut often: BTreeMap<String, usize> = BTreeMap::new();
    let held: Vec<BTreeSet<String>> = examples.iter().map(|one| phrases(&one.text)).collect();
    held.iter().flatten().for_each(|phrase| *often.entry(phrase.clone()).or_default() += 1);
    let names: Vec<Arc<str>> =
        often.iter().filter(|(_, count)| **count >= FEWEST).map(|(phrase, _)| phrase.as_str().into()).collect();
    let number: BTreeMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (&**name, at + 1)).collect();
    // Feature 0 stands in every message: the bias.
    let rows: Vec<Vec<usize>> = held
        .iter()
        .map(|held| std::iter::once(0).chain(held.iter().filter_map(|phrase| number.get(&**phrase).copied())).collect())
        .collect();

    let categories: BTreeSet<&str> = examples.iter().map(|one| &*one.category).collect();
    let mut parts: Vec<(&str, Ftrl)> = categories.into_iter().map(|name| (name, Ftrl::new(names.len() + 1))).collect();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let mut chance = Chance::of(77);
    for _ in 0..PASSES {
        chance.shuffle(&mut order);
        for at in &order {
            let sums: Vec<f64> = parts.iter().map(|(_, part)| part.sum(&rows[*at])).collect();
            let top = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let whole: f64 = sums.iter().map(|sum| (sum - top).exp()).sum();
            for ((name, part), sum) in parts.iter_mut().zip(&sums) {
                let wanted = if *name == examples[*at].category { 1.0 } else { 0.0 };
                part.step(&rows[*at], (sum - top).exp() / whole - wanted);
            }
        }
    }
    let linear = |part: &Ftrl| {
        let weights = names.iter().enumerate().map(|(at, name)| (name.clone(), three(part.weight(at + 1))));
        Linear { bias: three(part.weight(0)), words: weights.filter(|(_, weight)| *weight != 0.0).collect() }
    };
    parts.iter().map(|(name, part)| ((*name).to_owned(), linear(part))).collect()
}

/// The words and phrases of a message, as rules look them up.
fn phrases(text: &str) -> BTreeSet<String> {
    let words = words_of(text);
    (1..=LONGEST).flat_map(|long| words.windows(long).map(|phrase| phrase.join(" ")).collect::<Vec<_>>()).collect()
}

/// To three digits: what a person can read, and the same on every machine.
fn three(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// The state of one category.
struct Ftrl {
    z: Vec<f64>,
    n: Vec<f64>,
}

impl Ftrl {
    fn new(features: usize) -> Ftrl {
        Ftrl { z: vec![0.0; features], n: vec![0.0; features] }
    }

    fn weight(&self, at: usize) -> f64 {
        // Nobody reads the bias as a word: it is not held back.
        let (l1, l2) = if at == 0 { (0.0, 0.0) } else { (L1, L2) };
        let z = self.z[at];
        if z.abs() <= l1 {
            return 0.0;
        }
        (z.signum() * l1 - z) / ((BETA + self.n[at].sqrt()) / ALPHA + l2)
    }

    fn sum(&self, row: &[usize]) -> f64 {
        row.iter().map(|at| self.weight(*at)).sum()
    }

    fn step(&mut self, row: &[usize], gradient: f64) {
        for at in row {
            let sigma = ((self.n[*at] + gradient * gradient).sqrt() - self.n[*at].sqrt()) / ALPHA;
            self.z[*at] += gradient - sigma * self.weight(*at);
            self.n[*at] += gradient * gradient;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(text: &str, category: &str) -> Example {
        Example { text: text.into(), intent: String::new(), category: category.into() }
    }

    #[test]
    fn a_word_that_tells_gets_a_weight_and_one_that_does_not_gets_none() {
        let mut all = Vec::new();
        for at in 0..40 {
            all.push(example(&format!("the refund number{at}"), "billing"));
            all.push(example(&format!("the screen number{at}"), "technical"));
        }
        let model = learn(&all.iter().collect::<Vec<_>>());
        let (billing, technical) = (&model["billing"].words, &model["technical"].words);
        assert!(billing["refund"] > 0.5 && technical["refund"] < -0.5, "{billing:?} {technical:?}");
        assert!(technical["the screen"] > 0.2, "{technical:?}");
        assert!(!billing.contains_key("number7"), "{billing:?}");
        assert_eq!(learn(&all.iter().collect::<Vec<_>>()), model);
    }
}
