//! The messages that the classifier learns from and is measured on, and the table from their intents to our categories.

use std::{collections::BTreeMap, fs, path::Path};

/// One message that somebody has labelled.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// What was written.
    pub text: String,
    /// One of the 77 intents of the data set.
    pub intent: String,
    /// One of ours, by `data/intents.csv`.
    pub category: String,
}

/// Which file of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// 10,003 messages to learn from.
    Train,
    /// 3,080 messages, 40 of each intent, that nothing is learnt from.
    Test,
}

impl Split {
    fn file(self) -> &'static str {
        match self {
            Split::Train => "data/banking77/train.csv",
            Split::Test => "data/banking77/test.csv",
        }
    }
}

/// Reads a file of the data set, in its order.
///
/// # Errors
/// A sentence with the file: it cannot be read, has other columns, or an intent that `data/intents.csv` does not have.
pub fn read(project: &Path, split: Split) -> Result<Vec<Example>, String> {
    let intents: BTreeMap<String, String> =
        table(project, "data/intents.csv", ["intent", "category"])?.into_iter().collect();
    let rows = table(project, split.file(), ["text", "category"])?;
    let of = |(text, intent): (String, String)| {
        let category = intents.get(&intent).ok_or_else(|| format!("data/intents.csv has no intent `{intent}`"))?;
        Ok(Example { text, category: category.clone(), intent })
    };
    rows.into_iter().map(of).collect()
}

/// A file of two columns with these names.
fn table(project: &Path, file: &str, columns: [&str; 2]) -> Result<Vec<(String, String)>, String> {
    let text = fs::read_to_string(project.join(file)).map_err(|error| format!("{file} cannot be read: {error}"))?;
    let mut rows = Vec::new();
    for (at, row) in csv(&text).into_iter().enumerate() {
        let pair: [String; 2] = row
            .try_into()
            .map_err(|row: Vec<String>| format!("{file}: row {} has {} cells, not 2", at + 1, row.len()))?;
        rows.push(pair.into());
    }
    match rows.first() {
        Some((one, other)) if [&**one, &**other] == columns => Ok(rows.split_off(1)),
        _ => Err(format!("{file} does not begin with the columns {}", columns.join(", "))),
    }
}

/// The cells of RFC 4180: `"` around a cell keeps its commas and line ends, `""` within is one.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quoted) {
            ('"', true) if chars.peek() == Some(&'"') => cell.extend(chars.next()),
            ('"', _) => quoted = !quoted,
            (',', false) => row.push(std::mem::take(&mut cell)),
            ('\r', false) if chars.peek() == Some(&'\n') => {}
            ('\n', false) => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            (c, _) => cell.push(c),
        }
    }
    if !(cell.is_empty() && row.is_empty()) {
        row.push(cell);
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_as_they_were_meant() {
        let rows = csv("text,category\r\n\"a \"\"b\"\", c\nd\",x\nlast,y");
        assert_eq!(
            rows,
            [["text", "category"], ["a \"b\", c\nd", "x"], ["last", "y"]].map(|row| row.map(str::to_owned).to_vec())
        );
    }

    #[test]
    fn the_files_are_whole_and_every_intent_has_a_category() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (train, test) = (read(project, Split::Train).unwrap(), read(project, Split::Test).unwrap());
        assert_eq!((train.len(), test.len()), (10_003, 3_080));
        let intents: std::collections::BTreeSet<&str> = test.iter().map(|one| &*one.intent).collect();
        assert_eq!(intents.len(), 77);
        // The split is the data set's own: no message stands in both.
        let known: std::collections::BTreeSet<&str> = train.iter().map(|one| &*one.text).collect();
        assert!(!test.iter().any(|one| known.contains(&*one.text)));
    }
}
