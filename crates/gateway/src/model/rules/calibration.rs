//! From a score to a confidence: a step function that was fitted on data.

use std::{collections::BTreeMap, fmt, sync::Arc};

use kernel::{
    complaint::{Complaints, did_you_mean},
    yaml::{Fields, Node},
};

/// How often answers of a score were correct: rows of (lowest score, share), by score.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    rows: Vec<(f64, f64)>,
}

impl Table {
    /// The rows: from which score on, and how often correct.
    pub fn rows(&self) -> &[(f64, f64)] {
        &self.rows
    }

    /// What a score is worth. A score below the first row counts as that row's.
    pub fn confidence(&self, score: f64) -> f64 {
        let above = self.rows.partition_point(|(low, _)| *low <= score);
        self.rows.get(above.saturating_sub(1)).map_or(0.0, |(_, share)| *share)
    }
}

impl fmt::Display for Table {
    /// As it stands in a file: `[[0, 0.41], [0.5, 0.78]]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<String> = self.rows.iter().map(|(low, share)| format!("[{low}, {share}]")).collect();
        write!(f, "[{}]", rows.join(", "))
    }
}

/// Fits a table to answers that somebody judged: the score of each (0 to 1), and whether it was correct. `None` without any.
///
/// Isotonic regression by pooling adjacent violators (Ayer et al., 1955; for classifier scores Zadrozny and Elkan, 2002): the
/// table never falls. The share of each block is Laplace's, `(correct + 1) / (all + 2)`, so that three answers of three are no
/// certainty. Scores and shares are kept to four digits. Fit on other data than the rules were written with.
pub fn fit(judged: &[(f64, bool)]) -> Option<Table> {
    let mut scores: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    for (score, correct) in judged.iter().filter(|(score, _)| score.is_finite()) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 10,000")]
        let at = (score.clamp(0.0, 1.0) * FINE).round() as u32;
        let (right, all) = scores.entry(at).or_default();
        *right += if *correct { 1.0 } else { 0.0 };
        *all += 1.0;
    }
    let share = |right: f64, all: f64| (right + 1.0) / (all + 2.0);
    let mut blocks: Vec<(u32, f64, f64)> = Vec::new();
    for (at, (right, all)) in scores {
        let mut block = (at, right, all);
        while let Some((low, before, of)) = blocks.pop_if(|last| share(last.1, last.2) >= share(block.1, block.2)) {
            block = (low, before + block.1, of + block.2);
        }
        blocks.push(block);
    }
    let mut rows: Vec<(f64, f64)> =
        blocks.iter().map(|(low, right, all)| (f64::from(*low) / FINE, four(share(*right, *all)))).collect();
    rows.first_mut()?.0 = 0.0;
    Some(Table { rows })
}

const FINE: f64 = 10_000.0;

/// To four digits: what is left is the same on every machine.
pub(super) fn four(number: f64) -> f64 {
    (number * FINE).round() / FINE
}

/// `calibration:` of a file.
#[derive(Debug, Default)]
pub(super) struct Calibration {
    whole: Option<Table>,
    parts: Vec<(Arc<str>, Table, Node)>,
}

impl Calibration {
    pub(super) fn read(node: &Node, complaints: &mut Complaints) -> Calibration {
        let known = ["fitted_on", "table", "tables"];
        let Some(fields) = Fields::new(node, "a calibration", &known, &[], complaints) else {
            return Calibration::default();
        };
        if let Some(on) = fields.required("fitted_on", complaints)
            && on.text(complaints).is_some_and(|on| on.trim().is_empty())
        {
            complaints.push(on.expected("which data the table was fitted on, and how many"));
        }
        if !fields.has("table") && !fields.has("tables") {
            complaints.push(node.complaint("W003", "a calibration needs `table` or `tables`"));
        }
        let whole = fields.get("table").and_then(|node| table(node, complaints));
        let parts = fields.map("tables", complaints).iter();
        let parts = parts.filter_map(|(key, node)| Some((key.text.clone(), table(node, complaints)?, node.clone())));
        Calibration { whole, parts: parts.collect() }
    }

    /// The table of `part`; else that of the whole it belongs to, such as `facts.staff` for `facts.staff.about`; else the
    /// file's.
    pub(super) fn of(&self, part: &str) -> Option<&Table> {
        let mut part = part;
        loop {
            if let Some((_, table, _)) = self.parts.iter().find(|(name, _, _)| &**name == part) {
                return Some(table);
            }
            match part.rsplit_once('.') {
                Some((whole, _)) => part = whole,
                None => return self.whole.as_ref(),
            }
        }
    }

    /// A table that nothing asks for has a wrong name.
    pub(super) fn check(&self, known: &[String], complaints: &mut Complaints) {
        for (name, _, node) in &self.parts {
            if !known.iter().any(|known| **known == **name) {
                let hint = did_you_mean(name, known.iter().map(String::as_str));
                let message = format!("nothing here has a score of the name `{name}`");
                complaints.push(node.complaint("W005", message).or_hint(hint));
            }
        }
    }
}

fn table(node: &Node, complaints: &mut Complaints) -> Option<Table> {
    let items = node.list(complaints)?;
    let mut rows: Vec<(f64, f64)> = Vec::new();
    for item in items {
        let wanted = "a row [score, share], both from 0 to 1";
        let [low, share] = item.list(complaints)? else {
            complaints.push(item.expected(wanted));
            return None;
        };
        let (low, share) = (low.number(complaints)?, share.number(complaints)?);
        if !(0.0..=1.0).contains(&low) || !(0.0..=1.0).contains(&share) {
            complaints.push(item.expected(wanted));
            return None;
        }
        let follows = rows.last().map_or(low == 0.0, |(before, _)| *before < low);
        if !follows {
            let message = match rows.last() {
                None => format!("the first row begins at the score 0, not at {low}"),
                Some((before, _)) => format!("the score {low} stands after {before}: rows go up"),
            };
            complaints.push(item.complaint("W005", message));
            return None;
        }
        rows.push((low, share));
    }
    if rows.is_empty() {
        complaints.push(node.expected("at least one row [score, share]"));
        return None;
    }
    Some(Table { rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_never_falls_and_is_never_certain() {
        let judged = [
            (0.9, true),
            (0.9, true),
            (0.9, true),
            (0.9, false),
            (0.2, false),
            (0.2, false),
            (0.5, true),
            (0.6, false),
        ];
        // 0.2: (0+1)/4; 0.5 and 0.6 violate the order and are pooled: (1+1)/4; 0.9: (3+1)/6.
        assert_eq!(fit(&judged).unwrap().to_string(), "[[0, 0.25], [0.5, 0.5], [0.9, 0.6667]]");
        assert_eq!(fit(&[(1.0, true); 3]).unwrap().to_string(), "[[0, 0.8]]");
        assert_eq!(fit(&[(f64::NAN, true)]), None);
        assert_eq!(fit(&[]), None);
    }

    #[test]
    fn fitting_gives_back_the_shares_that_the_data_was_made_with() {
        let mut judged = Vec::new();
        for at in 0..1000_u32 {
            // Three levels of score, correct in 30, 60 and 90 of 100.
            for (score, of_ten) in [(0.1, 3), (0.5, 6), (0.8, 9)] {
                judged.push((score, at % 10 < of_ten));
            }
        }
        let table = fit(&judged).unwrap();
        for (score, share) in [(0.0, 0.3), (0.1, 0.3), (0.3, 0.3), (0.5, 0.6), (0.79, 0.6), (0.8, 0.9), (1.0, 0.9)] {
            assert!((table.confidence(score) - share).abs() < 0.002, "{score}: {}", table.confidence(score));
        }
        assert!(table.rows().windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
    }
}
