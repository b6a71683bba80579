//! Where the sentences of a text stand.

use std::ops::Range;

/// The longest quote, in bytes; a longer sentence is cut around the place that is meant.
pub(super) const MAX_QUOTE: usize = 400;

/// A sentence ends at the next white space after so many bytes, and after twice as many anywhere: what guards look at stays small.
const MAX_SENTENCE: usize = 2000;

/// Words after which a dot ends no sentence. Language is not asked for: these are what addresses and names of firms hold.
const SHORT: [&str; 34] = [
    "inc", "ltd", "co", "corp", "llc", "mr", "mrs", "ms", "dr", "prof", "st", "no", "nr", "vs", "etc", "e.g", "i.e",
    "approx", "ca", "est", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "bzw",
    "z.b",
];

/// A text cut into sentences, as ranges of bytes in order. What stands between two of them is white space.
#[derive(Debug)]
pub(super) struct Sentences {
    ranges: Vec<Range<usize>>,
}

impl Sentences {
    /// A sentence ends after `.`, `!`, `?` or `…` before white space, unless the dot belongs to an abbreviation or the next
    /// word begins small; and at a line's end, unless the next line goes on with a small letter.
    pub(super) fn of(text: &str) -> Sentences {
        let (mut ranges, mut start) = (Vec::new(), 0);
        let mut end_at = |start: &mut usize, end: usize| {
            let part = &text[*start..end];
            let from = *start + (part.len() - part.trim_start().len());
            let to = *start + part.trim_end().len();
            if from < to {
                ranges.push(from..to);
            }
            *start = end;
        };
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let after = at + c.len_utf8();
            let ends = match c {
                '\n' | '\r' | '\u{2028}' | '\u{2029}' => line_ends(&text[after..]),
                '。' | '！' | '？' => true,
                c if after - start > MAX_SENTENCE && (c.is_whitespace() || after - start > 2 * MAX_SENTENCE) => true,
                '.' | '!' | '?' | '…' => {
                    let closing = |c: char| matches!(c, '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '.' | '!' | '?');
                    let mut end = after;
                    while let Some((at, c)) = chars.next_if(|(_, c)| closing(*c)) {
                        end = at + c.len_utf8();
                    }
                    let stops = text[end..].starts_with(char::is_whitespace)
                        && !goes_on_small(&text[end..])
                        && !(c == '.' && end == after && is_short(&text[start..at]));
                    if stops {
                        end_at(&mut start, end);
                    }
                    continue;
                }
                _ => continue,
            };
            if ends {
                end_at(&mut start, after);
            }
        }
        end_at(&mut start, text.len());
        Sentences { ranges }
    }

    /// From the start of the sentence that `found` begins in to the end of the one it ends in.
    pub(super) fn around(&self, found: &Range<usize>) -> Range<usize> {
        let last = found.end.saturating_sub(1).max(found.start);
        let first = self.ranges.partition_point(|range| range.end <= found.start);
        let until = self.ranges.partition_point(|range| range.start <= last);
        let start = self.ranges.get(first).map_or(found.start, |range| range.start).min(found.start);
        let end = until.checked_sub(1).and_then(|at| self.ranges.get(at)).map_or(found.end, |range| range.end);
        start..end.max(found.end)
    }
}

/// The part of `text[sentence]` around `found` that is short enough for a quote. It stands in the text as it is.
pub(super) fn quote<'t>(text: &'t str, sentence: &Range<usize>, found: &Range<usize>) -> &'t str {
    if sentence.len() <= MAX_QUOTE {
        return text[sentence.clone()].trim();
    }
    let spare = MAX_QUOTE.saturating_sub(found.len());
    let from = text.ceil_char_boundary(found.start.saturating_sub(spare / 2).max(sentence.start));
    let to = text.floor_char_boundary((from + MAX_QUOTE).min(sentence.end));
    let part = &text[from..to];
    // Whole words, as long as what was found stays in it.
    let first =
        part.find(char::is_whitespace).filter(|at| from > sentence.start && from + at < found.start).unwrap_or(0);
    let tail = part.rfind(char::is_whitespace).filter(|at| to < sentence.end && from + at >= found.end);
    part[first..tail.unwrap_or(part.len())].trim()
}

fn line_ends(rest: &str) -> bool {
    let line = rest.split(['\n', '\r']).next().unwrap_or_default();
    line.trim().is_empty() || !goes_on_small(line)
}

fn goes_on_small(rest: &str) -> bool {
    rest.trim_start().starts_with(char::is_lowercase)
}

/// Whether a dot after `before` belongs to an abbreviation: one of a short list, or a single letter.
fn is_short(before: &str) -> bool {
    let word = before.rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    let mut letters = word.chars();
    if matches!((letters.next(), letters.next()), (Some(one), None) if one.is_alphabetic()) {
        return true;
    }
    word.len() <= 8 && SHORT.contains(&&*word.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        Sentences::of(text).ranges.into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn a_sentence_ends_where_a_reader_would_end_it() {
        assert_eq!(cut("One two. Three (four.) Five?\nSix"), ["One two.", "Three (four.)", "Five?", "Six"]);
        assert_eq!(
            cut("Acme Inc. was founded by J. Doe in 3.5 days."),
            ["Acme Inc. was founded by J. Doe in 3.5 days."]
        );
        assert_eq!(cut("We are a\nsmall firm\n\nin Graz\nStaff: 12"), ["We are a\nsmall firm", "in Graz", "Staff: 12"]);
        assert_eq!(cut("短い。長い！ Ä. Ö"), ["短い。", "長い！", "Ä. Ö"]);
        assert_eq!(cut(" \n . \n"), ["."]);
        assert!(cut("").is_empty());
    }

    #[test]
    fn a_sentence_without_an_end_is_cut() {
        let words = "wörd ".repeat(2000);
        assert!(cut(&words).iter().all(|part| part.len() <= MAX_SENTENCE + 8 && part.ends_with("wörd")));
        let one = "ö".repeat(9000);
        assert!(cut(&one).iter().all(|part| part.len() <= 2 * MAX_SENTENCE + 8));
        assert_eq!(cut(&one).concat(), one);
    }

    #[test]
    fn what_was_found_stands_in_its_sentence_and_in_its_quote() {
        let text = format!("{} Zürich {} end. Next one", "wörd ".repeat(300), "mehr ".repeat(300));
        let sentences = Sentences::of(&text);
        let at = text.find("Zürich").unwrap();
        let found = at..at + "Zürich".len();
        let around = sentences.around(&found);
        let quote = quote(&text, &around, &found);
        assert!(quote.contains("Zürich") && quote.len() <= MAX_QUOTE && text.contains(quote), "{quote}");
        assert!(quote.starts_with("wörd ") && quote.ends_with("mehr"), "{quote}");
        // A match may begin with the white space before its sentence.
        let short = "One.\n Two words.";
        let found = 4..9;
        assert_eq!(super::quote(short, &Sentences::of(short).around(&found), &found), "Two words.");
        // Over the border of two sentences, both.
        let at = text.find("end. Next").unwrap();
        assert!(text[sentences.around(&(at..at + 9))].ends_with("Next one"));
    }
}
