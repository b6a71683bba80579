//! Which steps an answer is meant for.

use std::{fmt, str::FromStr};

use kernel::ids::StepPath;

/// `facts`: every step of that name, wherever it stands. `read[17]/facts`, `read[*]/facts`, `split.left/facts`: that path;
/// `[*]` is any item. Without `~2` every visit is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    segments: Vec<Segment>,
}

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no step: write its name, or its path as in `read[*]/facts`")]
pub struct BadPattern(String);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    name: String,
    /// As it is written after the name: `[3]`, `[*]`, `.left` or nothing.
    frame: String,
    visit: Option<u32>,
}

impl Segment {
    fn read(text: &str) -> Option<Segment> {
        let (name, rest) = text.split_at(text.find(['~', '[', '.']).unwrap_or(text.len()));
        let (visit, frame) = match rest.strip_prefix('~') {
            Some(rest) => {
                let (visit, frame) = rest.split_at(rest.find(['[', '.']).unwrap_or(rest.len()));
                (Some(visit.parse().ok()?), frame)
            }
            None => (None, rest),
        };
        let index = frame.strip_prefix('[').map(|rest| rest.strip_suffix(']'));
        let good = match (index, frame.strip_prefix('.')) {
            (Some(index), _) => index.is_some_and(|index| index == "*" || index.parse::<u32>().is_ok()),
            (None, Some(branch)) => is_name(branch),
            (None, None) => true,
        };
        (good && is_name(name)).then(|| Segment { name: name.to_owned(), frame: frame.to_owned(), visit })
    }

    fn fits(&self, other: &Segment) -> bool {
        let frame = if self.frame == "[*]" { other.frame.starts_with('[') } else { self.frame == other.frame };
        let visit = self.visit.is_none_or(|visit| visit == other.visit.unwrap_or(1));
        self.name == other.name && frame && visit
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

impl Pattern {
    /// Whether the step at `path` is meant.
    pub fn fits(&self, path: &StepPath) -> bool {
        let segments = path.as_str().split('/').map(Segment::read);
        let Some(segments) = segments.collect::<Option<Vec<_>>>() else { return self.text == path.as_str() };
        match (self.segments.as_slice(), segments.as_slice()) {
            // A name alone is the step itself, not its place.
            ([one], [.., last]) if one.frame.is_empty() => one.fits(&Segment { frame: String::new(), ..last.clone() }),
            (pattern, path) => {
                pattern.len() == path.len() && pattern.iter().zip(path).all(|(one, other)| one.fits(other))
            }
        }
    }
}

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Pattern, BadPattern> {
        let segments = text.split('/').map(Segment::read).collect::<Option<Vec<_>>>();
        let segments = segments.ok_or_else(|| BadPattern(text.to_owned()))?;
        Ok(Pattern { text: text.to_owned(), segments })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_the_paths_it_describes() {
        let table = [
            ("facts", "facts", true),
            ("facts", "read[17]/facts", true),
            ("facts", "split.left/facts~3", true),
            ("facts", "facts/other", false),
            ("facts~2", "facts~2", true),
            ("facts~2", "facts", false),
            ("facts~1", "facts", true),
            ("read[*]/facts", "read[17]/facts", true),
            ("read[*]/facts", "read[17]/facts~2", true),
            ("read[*]/facts", "read.left/facts", false),
            ("read[17]/facts", "read[17]/facts", true),
            ("read[17]/facts", "read[18]/facts", false),
            ("split.left/facts", "split.left/facts", true),
            ("split.left/facts", "split.right/facts", false),
            ("read[*]/facts", "facts", false),
            ("work~2[0]/ask", "work~2[0]/ask", true),
            ("work~2[0]/ask", "work[0]/ask", false),
            ("work~1[*]/ask", "work[3]/ask", true),
            ("work[0]/ask", "work~2[0]/ask", true),
            ("split~2.left/facts", "split~2.left/facts", true),
        ];
        for (pattern, path, wanted) in table {
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(pattern.fits(&path.into()), wanted, "{pattern} {path}");
        }
    }

    #[test]
    fn what_names_no_step_is_refused() {
        for text in ["", "read[x]/facts", "a//b", "a b", "facts~x", "read[1", "work[0]~2/ask"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
