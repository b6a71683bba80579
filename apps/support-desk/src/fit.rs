//! `fit`: writes `rules/classify.yaml` and its lexicons from `data/banking77/train.csv`, and nothing else.
//!
//! Of every intent, four messages of five are learnt from; the fifth says what a score is worth. `test.csv` is not opened.

use std::{fmt::Write as _, fs, path::Path};

use surefoot::{Sources, calibration};

use crate::{
    banking::{self, Example, Split},
    learn::{self, Model},
    measure,
};

/// The file that is written.
pub const FILE: &str = "rules/classify.yaml";

/// What was written.
pub struct Fitted {
    /// Path and text of each file.
    pub files: Vec<(String, String)>,
    /// What was learnt, in one line.
    pub says: String,
}

/// Learns from the training messages of the project in `folder`; writes nothing yet.
///
/// # Errors
/// A sentence: data that cannot be read, a project that cannot be read, rules that do not fit each other.
pub fn fit(folder: &Path) -> Result<Fitted, String> {
    let train = banking::read(folder, Split::Train)?;
    let (learnt, held): (Vec<&Example>, Vec<&Example>) = parts(&train);
    let model = learn::learn(&learnt);
    let mut sources = surefoot::project::read(folder, false).map_err(|error| error.to_string())?;
    let mut files: Vec<(String, String)> =
        model.iter().map(|(name, linear)| (lexicon(name), words(name, linear))).collect();
    // A confidence without a table is refused; the first one says nothing and is never written.
    files.push((FILE.to_owned(), rules(&model, "[[0, 0.5]]", learnt.len(), held.len())));
    put(&mut sources, &files);
    let plain = measure::rules(&sources, FILE)?;
    let mut judged = Vec::new();
    for one in &held {
        let (category, score) = measure::scored(&plain, &one.text)?;
        judged.push((score, category == one.category));
    }
    let table = calibration::fit(&judged).ok_or("no message is held out")?;
    // As `fmt` would have it.
    let spaced = table.to_string().replace('[', "[ ").replace(']', " ]");
    files.pop();
    files.push((FILE.to_owned(), rules(&model, &spaced, learnt.len(), held.len())));
    put(&mut sources, &files);
    measure::rules(&sources, FILE)?;
    let right = judged.iter().filter(|(_, right)| *right).count();
    let entries: usize = model.values().map(|linear| linear.words.len()).sum();
    let says = format!(
        "{entries} weights from {} messages; of {} that were held out, {right} are put where they belong",
        learnt.len(),
        held.len()
    );
    Ok(Fitted { files, says })
}

/// Writes what was fitted into the project in `folder`.
///
/// # Errors
/// A file that cannot be written.
pub fn write(folder: &Path, fitted: &Fitted) -> Result<(), String> {
    for (path, text) in &fitted.files {
        fs::write(folder.join(path), text).map_err(|error| format!("{path} cannot be written: {error}"))?;
    }
    Ok(())
}

/// Every fifth message of an intent is held out, in the order of the file.
fn parts(train: &[Example]) -> (Vec<&Example>, Vec<&Example>) {
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    train.iter().partition(|one| {
        let count = seen.entry(&one.intent).or_default();
        *count += 1;
        !count.is_multiple_of(5)
    })
}

fn put(sources: &mut Sources, files: &[(String, String)]) {
    for (path, text) in files {
        sources.files.insert(path.as_str().into(), text.as_str().into());
    }
}

fn lexicon(category: &str) -> String {
    format!("lexicons/{category}.yaml")
}

/// A lexicon, the weightiest words first.
fn words(category: &str, linear: &learn::Linear) -> String {
    let mut text = format!(
        "# What speaks for the category {category}, and (below zero) against it. Written by `support-desk fit` from data/banking77/train.csv\n\
         # (Banking77, PolyAI Limited, CC-BY-4.0).\n"
    );
    let mut all: Vec<_> = linear.words.iter().collect();
    all.sort_by(|a, b| b.1.total_cmp(a.1).then(a.0.cmp(b.0)));
    for (phrase, weight) in all {
        // Quoted: `no`, `on` and `12` are words here.
        let _ = writeln!(text, "\"{phrase}\": {weight}");
    }
    text
}

fn rules(model: &Model, table: &str, learnt: usize, held: usize) -> String {
    let mut labels = String::new();
    for (name, linear) in model {
        let _ = writeln!(labels, "      {name}: {{ bias: {}, words: {} }}", linear.bias, lexicon(name));
    }
    format!(
        "# Which desk a message belongs to, and how sure that is. Written by `support-desk fit`: how, says data/SOURCES.md.\n\
         answers: schemas/classification.yaml\n\
         reads: {{ subject: text, body: text }}\n\
         weights:\n  category:\n    in: [ subject, body ]\n    labels:\n{labels}\
         calibration:\n  fitted_on: {held} messages of Banking77's train.csv, every fifth of an intent; the weights come from the other {learnt}\n  \
         tables: {{ category: {table} }}\n\
         answer: {{ category: =category.label, confidence: =category.confidence, reasons: \"=category.found[:3]\" }}\n"
    )
}
