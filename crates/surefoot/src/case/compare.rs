//! What a case expects and what came of it, as a person reads the difference.

use std::fmt::Write as _;

use kernel::values::Value;

use super::{Case, Outcome};

/// One thing that is otherwise than expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// In which line of the case's file it was expected.
    pub line: u32,
    /// What: `status`, `story`.
    pub what: &'static str,
    /// Lines that begin with `-` (expected), `+` (came) or a space.
    pub shown: Vec<String>,
}

impl Case {
    /// Everything that is otherwise than expected.
    pub(crate) fn differences(&self, outcome: &Outcome) -> Vec<Difference> {
        let expect = &self.expect;
        let mut all = Vec::new();
        let mut one = |line: u32, what, wanted: Option<String>, came: Option<String>| {
            if wanted != came {
                let minus = wanted.into_iter().map(|text| format!("- {text}"));
                let plus = came.into_iter().map(|text| format!("+ {text}"));
                all.push(Difference { line, what, shown: minus.chain(plus).collect() });
            }
        };
        if let Some((status, line)) = expect.status {
            one(line, "status", Some(status.to_owned()), Some(outcome.status.to_owned()));
        }
        if let Some((wanted, line)) = &expect.waits_for {
            one(*line, "waits_for", Some(wanted.to_string()), outcome.waits_for.clone());
        }
        if let Some((wanted, line)) = &expect.failure {
            one(*line, "failure", Some(wanted.to_string()), outcome.failure.clone());
        }
        if let Some((wanted, line)) = &expect.acts {
            one(*line, "acts", Some(wanted.join(", ")), Some(outcome.acts.join(", ")));
        }
        if let Some((wanted, line)) = &expect.result
            && outcome.result.as_ref() != Some(wanted)
        {
            let came = outcome.result.as_ref().map(pretty).unwrap_or_default();
            all.push(Difference { line: *line, what: "result", shown: lines(&pretty(wanted), &came).1 });
        }
        if let Some((wanted, line)) = &expect.story
            && *wanted != outcome.story
        {
            let (first, shown) = lines(wanted, &outcome.story);
            let first = u32::try_from(first).unwrap_or(0);
            all.push(Difference { line: line + first, what: "story", shown });
        }
        all
    }
}

fn pretty(value: &Value) -> Vec<String> {
    let text = serde_json::to_string_pretty(&value.to_serde()).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// How many lines around a difference are shown.
const AROUND: usize = 2;

/// The lines that differ, with a few around them, and the number of the first one (of `wanted`).
fn lines(wanted: &[String], came: &[String]) -> (usize, Vec<String>) {
    // The longest common subsequence, from the end: stories and results are short.
    let (rows, columns) = (wanted.len(), came.len());
    let mut longest = vec![vec![0_u32; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            longest[row][column] = if wanted[row] == came[column] {
                longest[row + 1][column + 1] + 1
            } else {
                longest[row + 1][column].max(longest[row][column + 1])
            };
        }
    }
    let (mut row, mut column, mut all, mut first) = (0, 0, Vec::new(), None);
    while row < rows || column < columns {
        if row < rows && column < columns && wanted[row] == came[column] {
            all.push((' ', &wanted[row]));
            (row, column) = (row + 1, column + 1);
        } else if row < rows && (column == columns || longest[row + 1][column] >= longest[row][column + 1]) {
            first.get_or_insert(row);
            all.push(('-', &wanted[row]));
            row += 1;
        } else {
            first.get_or_insert(row);
            all.push(('+', &came[column]));
            column += 1;
        }
    }
    let near = |at: usize| {
        let from = at.saturating_sub(AROUND);
        all[from..(at + AROUND + 1).min(all.len())].iter().any(|(mark, _)| *mark != ' ')
    };
    let mut shown = Vec::new();
    let mut skipped = 0;
    for (at, (mark, line)) in all.iter().enumerate() {
        if near(at) {
            if skipped > 0 {
                shown.push(left_out(skipped));
                skipped = 0;
            }
            shown.push(format!("{mark} {line}").trim_end().to_owned());
        } else {
            skipped += 1;
        }
    }
    if skipped > 0 {
        shown.push(left_out(skipped));
    }
    (first.unwrap_or(0), shown)
}

fn left_out(lines: usize) -> String {
    let mut text = String::from("  ");
    let plural = if lines == 1 { "" } else { "s" };
    let _ = write!(text, "({lines} line{plural} as expected)");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn only_what_differs_is_shown_with_a_few_lines_around_it() {
        let (first, shown) = lines(&texts("a b c d e f g h"), &texts("a b c d x f g h"));
        assert_eq!(first, 4);
        assert_eq!(
            shown,
            ["  (2 lines as expected)", "  c", "  d", "- e", "+ x", "  f", "  g", "  (1 line as expected)"]
        );
    }

    #[test]
    fn what_is_new_or_gone_is_shown_where_it_belongs() {
        assert_eq!(lines(&texts("a c"), &texts("a b c")), (1, vec!["  a".into(), "+ b".into(), "  c".into()]));
        assert_eq!(lines(&texts("a b"), &texts("a")), (1, vec!["  a".into(), "- b".into()]));
    }
}
