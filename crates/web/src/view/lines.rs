//! Two texts, line by line: what left, what came, and what stands around it.

use std::sync::Arc;

/// Lines around each that differs.
const AROUND: usize = 3;
/// Lines that are compared with each other, at most: of longer texts the middle is told as replaced.
const CELLS: usize = 4_000_000;

/// A line of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// `+`, `-`, a space, or `…` where lines were left out.
    pub(crate) sign: char,
    pub(crate) text: Arc<str>,
}

impl Line {
    /// A class of the style sheet.
    pub(crate) fn class(&self) -> &'static str {
        match self.sign {
            '+' => "good",
            '-' => "bad",
            _ => "calm",
        }
    }
}

/// What differs, with the lines around it.
pub(crate) fn differing(before: &str, after: &str) -> Vec<Line> {
    let all = compared(before, after);
    let near = |place: usize| {
        let around = place.saturating_sub(AROUND)..(place + AROUND + 1).min(all.len());
        all[around].iter().any(|line| line.sign != ' ')
    };
    let mut shown = Vec::new();
    for (place, line) in all.iter().enumerate() {
        if near(place) {
            shown.push(line.clone());
        } else if shown.last().is_none_or(|last: &Line| last.sign != '…') {
            shown.push(Line { sign: '…', text: "".into() });
        }
    }
    shown
}

fn compared(before: &str, after: &str) -> Vec<Line> {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let line = |sign: char, text: &str| Line { sign, text: text.into() };
    let mut all: Vec<Line> = a[..head].iter().map(|text| line(' ', text)).collect();
    let (left, came) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    let mut way = if left.len().saturating_mul(came.len()) <= CELLS { common(left, came) } else { Vec::new() };
    way.push((left.len(), came.len()));
    let (mut x, mut y) = (0, 0);
    for (to_x, to_y) in way {
        all.extend(left[x..to_x].iter().map(|text| line('-', text)));
        all.extend(came[y..to_y].iter().map(|text| line('+', text)));
        if let Some(text) = left.get(to_x) {
            all.push(line(' ', text));
        }
        (x, y) = (to_x + 1, to_y + 1);
    }
    all.extend(a[a.len() - tail..].iter().map(|text| line(' ', text)));
    all
}

/// Places of the longest sequence of lines that both have.
fn common(a: &[&str], b: &[&str]) -> Vec<(usize, usize)> {
    let wide = b.len() + 1;
    let mut longest = vec![0_u32; (a.len() + 1) * wide];
    for x in (0..a.len()).rev() {
        for y in (0..b.len()).rev() {
            longest[x * wide + y] = if a[x] == b[y] {
                longest[(x + 1) * wide + y + 1] + 1
            } else {
                longest[(x + 1) * wide + y].max(longest[x * wide + y + 1])
            };
        }
    }
    let (mut x, mut y, mut places) = (0, 0, Vec::new());
    while x < a.len() && y < b.len() {
        if a[x] == b[y] {
            places.push((x, y));
            (x, y) = (x + 1, y + 1);
        } else if longest[(x + 1) * wide + y] >= longest[x * wide + y + 1] {
            x += 1;
        } else {
            y += 1;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> String {
        differing(before, after).iter().map(|line| format!("{}{}\n", line.sign, line.text)).collect()
    }

    #[test]
    fn what_left_and_what_came_stand_where_they_were() {
        assert_eq!(told("a\nb\nc\n", "a\nB\nc\n"), " a\n-b\n+B\n c\n");
        assert_eq!(told("a\nb\nc\nd\n", "b\nx\nd\ne\n"), "-a\n b\n-c\n+x\n d\n+e\n");
        assert_eq!(told("", "new\n"), "+new\n");
        assert_eq!(told("gone\n", ""), "-gone\n");
    }

    #[test]
    fn lines_far_from_a_difference_are_left_out() {
        let many: String = (0..20).map(|number| format!("{number}\n")).collect();
        assert_eq!(told(&many, &many.replace("10\n", "ten\n")), "…\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n…\n");
        assert_eq!(told(&many, &many), "…\n");
    }
}
