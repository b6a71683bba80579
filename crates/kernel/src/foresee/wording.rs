//! What is probably wrong in the words of a prompt. These are guesses, and so each kind has a measured precision: `tests/wording.rs` compares
//! what is found with texts that people labelled, and `docs/context.md` has the figures. A guess that is wrong is allowed with a reason.
//!
//! Words are English. Code between fences is not read, except for what was left over.

mod vocabulary;

use std::{collections::BTreeSet, ops::Range};

use self::vocabulary::{ANSWER, BEFORE, DUTY, EXCEPT, NOTES, OPEN, ORDERS, PRAISE, SHORT, SMALL};
use super::{allow, steps};
use crate::{
    complaint::{Complaint, Complaints},
    step::Kind,
    workflow::{Program, Prompt, reading::place},
};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The complaint's id.
    pub id: &'static str,
    /// Which of the texts.
    pub text: usize,
    /// Which bytes of it.
    pub at: Range<usize>,
    /// What it contradicts or repeats: which of the texts, which byte.
    pub with: Option<(usize, usize)>,
    /// What is said of it.
    pub message: String,
}

const PERSONA: &str = "W204";
const CONFLICT: &str = "W205";
const VAGUE: &str = "W206";
const LEFTOVER: &str = "W207";
const TWICE: &str = "W208";

/// Warns about the prompts that a model is shown together: the workflow's, the stage's and the step's.
pub(super) fn check(program: &Program, complaints: &mut Complaints) {
    for (stage, _, step) in steps(program) {
        let Kind::Reason(reason) = &step.kind else { continue };
        let layers = [program.context.as_ref(), program.stages[stage].context.as_ref()];
        let mut prompts: Vec<&Prompt> = layers.into_iter().flatten().map(|layer| &layer.prompt).collect();
        prompts.push(&reason.prompt);
        let texts: Vec<&str> = prompts.iter().map(|prompt| prompt.text.source()).collect();
        for fault in faults(&texts) {
            complaints.push(complaint(&prompts, &fault));
        }
    }
}

fn complaint(prompts: &[&Prompt], fault: &Fault) -> Complaint {
    let at = |text: usize, offset: usize, len: usize| {
        let written = &prompts[text].written;
        place(written, allow::in_file(written, offset), len)
    };
    let prompt = prompts[fault.text];
    let source = prompt.text.source();
    let len = source[fault.at.clone()].lines().next().unwrap_or_default().chars().count();
    let other = fault.with.map(|(text, offset)| {
        let line = at(text, offset, 0).line;
        format!(" {}:{line}", prompts[text].file)
    });
    let message = format!("{}{}", fault.message, other.unwrap_or_default());
    let hint = match fault.id {
        PERSONA => "say what a good answer is: who the model should be changes nothing that can be checked",
        CONFLICT => "keep one of them, or say when which one holds",
        VAGUE => "give a number, a list or a rule that the answer can be compared with",
        LEFTOVER => "finish it, or take it out",
        _ => "say it once: the workflow's and the stage's prompt are shown with each step's",
    };
    Complaint::new(fault.id, &prompt.file, at(fault.text, fault.at.start, len), message).warning().hint(hint)
}

/// What is probably wrong in texts that are shown together, by text and place.
pub fn faults(texts: &[&str]) -> Vec<Fault> {
    let sentences: Vec<Sentence<'_>> =
        texts.iter().enumerate().flat_map(|(number, text)| sentences(number, text)).collect();
    let mut found: Vec<Fault> = texts.iter().enumerate().flat_map(|(number, text)| leftovers(number, text)).collect();
    found.extend(sentences.iter().filter_map(persona));
    found.extend(sentences.iter().filter_map(vague));
    for (number, later) in sentences.iter().enumerate() {
        let before = || sentences[..number].iter();
        let pair = |id, earlier: &Sentence<'_>, message: String| Fault {
            with: Some((earlier.text, earlier.at.start)),
            ..later.fault(id, message)
        };
        if let Some(earlier) = before().find(|earlier| same(earlier, later)) {
            found.push(pair(TWICE, earlier, "the same is said in".to_owned()));
        } else if let Some((earlier, why)) =
            before().find_map(|earlier| contradict(earlier, later).map(|why| (earlier, why)))
        {
            found.push(pair(CONFLICT, earlier, format!("{why}: this cannot be followed together with")));
        }
    }
    found.sort_by(|a, b| (a.text, a.at.start, a.id).cmp(&(b.text, b.at.start, b.id)));
    found
}

/// A sentence, or an item of a list.
struct Sentence<'t> {
    text: usize,
    at: Range<usize>,
    said: &'t str,
    /// What follows it on its line.
    after: &'t str,
    /// Its words, small, without punctuation around them.
    words: Vec<String>,
    instructs: bool,
}

impl Sentence<'_> {
    fn fault(&self, id: &'static str, message: String) -> Fault {
        Fault { id, text: self.text, at: self.at.clone(), with: None, message }
    }

    fn has(&self, phrase: &str) -> bool {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        self.words.windows(phrase.len()).any(|window| window.iter().eq(phrase.iter()))
    }

    fn has_any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.has(phrase))
    }

    fn starts(&self, phrase: &str) -> bool {
        phrase.split(' ').enumerate().all(|(number, word)| self.words.get(number).is_some_and(|own| own == word))
    }
}

fn words(said: &str) -> Vec<String> {
    let word = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase().replace('’', "'");
    said.split_whitespace().map(word).filter(|word| !word.is_empty()).collect()
}

/// The sentences of a text. Lines of a paragraph belong together; an item of a list and a heading begin a new one.
fn sentences(text: usize, source: &str) -> Vec<Sentence<'_>> {
    let mut found = Vec::new();
    let mut open: Option<Range<usize>> = None;
    let mut fenced = false;
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let trimmed = line.trim();
        let fence = trimmed.starts_with("```");
        let marked = marker(line);
        if fence || fenced || trimmed.is_empty() || marked > 0 || trimmed.ends_with(':') {
            found.extend(open.take().into_iter().flat_map(|range| split(source, range)));
        }
        fenced ^= fence;
        if !fence && !fenced && !trimmed.is_empty() {
            let end = at + line.trim_end().len();
            let start = if marked > 0 { at + marked } else { at + line.len() - line.trim_start().len() };
            open = Some(open.map_or(start, |range| range.start)..end);
        }
        at += line.len();
    }
    found.extend(open.into_iter().flat_map(|range| split(source, range)));
    let sentence = |at: Range<usize>| {
        let said = &source[at.clone()];
        let words = words(said);
        let after = source[at.end..].lines().next().unwrap_or_default();
        Sentence { text, instructs: instructs(said, &words), at, said, after, words }
    };
    found.into_iter().map(sentence).filter(|one| !one.words.is_empty()).collect()
}

/// How many bytes of a line are the mark of a list, a heading or a quotation.
fn marker(line: &str) -> usize {
    let rest = line.trim_start();
    let before = line.len() - rest.len();
    let signs = rest.len() - rest.trim_start_matches(['-', '*', '+', '#', '>', '•']).len();
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let mark = if signs > 0 {
        signs
    } else if digits > 0 && rest[digits..].starts_with(['.', ')']) {
        digits + 1
    } else {
        return 0;
    };
    let after = &rest[mark..];
    if after.starts_with(' ') { before + mark + after.len() - after.trim_start().len() } else { 0 }
}

/// Where the sentences of a paragraph are.
fn split(source: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = range.start;
    let part = &source[range.clone()];
    let mut signs = part.char_indices().peekable();
    while let Some((number, sign)) = signs.next() {
        let ends =
            matches!(sign, '.' | '!' | '?' | ':' | ';') && signs.peek().is_some_and(|next| next.1.is_whitespace());
        let next = part[number + sign.len_utf8()..].trim_start().chars().next();
        // "e.g. this" and "etc. and that" go on.
        if ends && next.is_some_and(|next| sign != '.' || !next.is_lowercase()) {
            found.push(start..range.start + number + sign.len_utf8());
            let rest = &part[number + sign.len_utf8()..];
            start = range.start + part.len() - rest.trim_start().len();
        }
    }
    found.push(start..range.end);
    found
}

fn instructs(said: &str, words: &[String]) -> bool {
    let order = |words: &[String]| {
        // "You will be given" describes.
        if words.first().is_some_and(|word| word == "you") && words.iter().take(3).any(|word| word == "be") {
            return false;
        }
        let first = words.iter().find(|word| !BEFORE.contains(&word.as_str()));
        first.is_some_and(|word| ORDERS.contains(&word.as_str()))
    };
    let padded = format!(" {} ", words.join(" "));
    let conditional = words.first().is_some_and(|word| {
        matches!(
            &**word,
            "if" | "when"
                | "unless"
                | "for"
                | "before"
                | "after"
                | "once"
                | "in"
                | "with"
                | "to"
                | "based"
                | "given"
                | "using"
                | "as"
        )
    });
    order(words)
        || DUTY.iter().any(|duty| padded.contains(&format!(" {duty} ")))
        || conditional && said.split(", ").skip(1).any(|rest| order(&self::words(rest)))
}

fn persona(sentence: &Sentence<'_>) -> Option<Fault> {
    let praised = |within: usize| sentence.words.iter().take(within).find(|word| PRAISE.contains(&word.as_str()));
    let begins = [
        "you are",
        "you're",
        "you will be",
        "you will act as",
        "act as",
        "i want you to act as",
        "pretend to be",
        "imagine you are",
        "imagine that you are",
        "assume the role of",
        "take the role of",
        "behave as",
    ];
    let praise = if begins.iter().any(|begin| sentence.starts(begin)) {
        praised(14)
    } else if ["as an", "as a", "as the"].iter().any(|begin| sentence.starts(begin)) {
        praised(5)
    } else if ["you have", "you've", "you possess", "with"].iter().any(|begin| sentence.starts(begin)) {
        sentence
            .has_any(&[
                "years of experience",
                "lot of experience",
                "experience in",
                "expertise in",
                "reputation",
                "knack",
            ])
            .then_some(&sentence.words[0])
            .and_then(|_| praised(usize::MAX))
    } else {
        None
    }?;
    Some(sentence.fault(PERSONA, format!("`{praise}` says who the model is, and nothing of what a good answer is")))
}

fn vague(sentence: &Sentence<'_>) -> Option<Fault> {
    if !sentence.instructs {
        return None;
    }
    let small = sentence.said.to_lowercase();
    let open = OPEN.iter().find(|open| {
        let quoted = |from: usize| {
            let (before, after) = (small[..from].trim_end(), &small[from + open.len()..]);
            let signs = ['`', '"', '\'', '“', '”'];
            before.ends_with(signs) || after.trim_start_matches(['.', ',']).starts_with(signs)
        };
        // A number in the same breath is a measure.
        let measured = SHORT.contains(open) && sentence.after.chars().any(|c| c.is_ascii_digit());
        sentence.has(open) && !measured && !small.find(*open).is_some_and(quoted)
    });
    // "If several match" is a case, "give several" an amount.
    let several = sentence.words.windows(2).any(|pair| pair[1] == "several" && ORDERS.contains(&pair[0].as_str()));
    let open = open.copied().or(several.then_some("several"))?;
    Some(sentence.fault(VAGUE, format!("`{open}` leaves the measure open")))
}

/// What was left over by whoever wrote the text.
fn leftovers(text: usize, source: &str) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut fences = Vec::new();
    let mut at = 0;
    let fault = |at: Range<usize>, message: String| Fault { id: LEFTOVER, text, at, with: None, message };
    for line in source.split_inclusive('\n') {
        let start = at + line.len() - line.trim_start().len();
        let range = start..(at + line.trim_end().len()).max(start);
        let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
        let words: Vec<&str> = line.split_whitespace().collect();
        // A note begins its line, stands in brackets or goes on with a colon; else the text is about such notes.
        let note = words.iter().enumerate().find_map(|(number, word)| {
            let note = NOTES.into_iter().find(|note| bare(word) == *note)?;
            let begins = words[..number].iter().all(|before| bare(before).is_empty());
            (begins || word.starts_with(['[', '(', '<', '{']) || word.ends_with([':', ']', ')', '>'])).then_some(note)
        });
        if let Some(note) = note {
            found.push(fault(range.clone(), format!("`{note}` was left in the text")));
        } else if line.to_lowercase().contains("lorem ipsum") {
            found.push(fault(range.clone(), "filler text was left in the text".to_owned()));
        } else if let Some(blank) = blank(line) {
            found.push(fault(range.clone(), format!("`{blank}` was never filled in")));
        }
        if line.trim_start().starts_with("```") {
            fences.push(range);
        }
        at += line.len();
    }
    if fences.len() % 2 == 1 {
        let last = fences.pop().unwrap_or_default();
        found.push(fault(last, "a fence of code opens here, and none closes it".to_owned()));
    }
    found.extend(tags(text, source));
    found
}

/// A blank for the author: `[insert …]`, `<your …>`.
fn blank(line: &str) -> Option<&str> {
    [('[', ']'), ('<', '>')].into_iter().find_map(|(opens, closes)| {
        line.match_indices(opens).find_map(|(from, _)| {
            let len = line[from..].find(closes)?;
            let inner = line[from + 1..from + len].trim().to_lowercase();
            let asks = ["insert ", "add ", "fill in", "fill ", "company name", "your company", "your name", "put "];
            asks.iter().any(|ask| inner.starts_with(ask)).then(|| &line[from..=from + len])
        })
    })
}

/// Tags that close what never opened; and those on a line of their own that never close, where others do.
fn tags(text: usize, source: &str) -> Vec<Fault> {
    let mut open: Vec<(&str, Range<usize>, bool)> = Vec::new();
    let (mut found, mut pairs) = (Vec::new(), 0);
    for (from, _) in source.match_indices('<') {
        let Some(len) = source[from..].find('>') else { continue };
        let inner = &source[from + 1..from + len];
        let name = inner.strip_prefix('/').unwrap_or(inner);
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if !plain || matches!(name, "br" | "hr" | "img") {
            continue;
        }
        let at = from..from + len + 1;
        if inner.starts_with('/') {
            match open.iter().rposition(|(opened, ..)| *opened == name) {
                Some(place) => {
                    open.remove(place);
                    pairs += 1;
                }
                None => found.push(Fault {
                    id: LEFTOVER,
                    text,
                    at,
                    with: None,
                    message: format!("`</{name}>` closes what never opened"),
                }),
            }
        } else {
            let line = source[..from].rfind('\n').map_or(0, |end| end + 1);
            let end = source[from..].find('\n').map_or(source.len(), |end| from + end);
            open.push((name, at, source[line..end].trim() == format!("<{name}>")));
        }
    }
    let never = open.into_iter().filter(|(_, _, alone)| *alone && pairs > 0);
    found.extend(never.map(|(name, at, _)| Fault {
        id: LEFTOVER,
        text,
        at,
        with: None,
        message: format!("`<{name}>` opens here and never closes"),
    }));
    found
}

/// Whether two sentences say the same in nearly the same words: eight words or more, nine of ten alike.
fn same(earlier: &Sentence<'_>, later: &Sentence<'_>) -> bool {
    let longer = earlier.words.len().max(later.words.len());
    let quoted = |one: &Sentence<'_>| one.said.starts_with(['"', '\'', '“', '`']);
    let short = earlier.words.len().min(later.words.len()) < 8;
    if short || !earlier.instructs || !later.instructs || quoted(earlier) || quoted(later) {
        return false;
    }
    let mut left = earlier.words.clone();
    let common =
        later.words.iter().filter(|word| left.iter().position(|one| one == *word).map(|at| left.remove(at)).is_some());
    common.count() * 10 >= longer * 9
}

/// Why two orders cannot both be followed.
fn contradict(earlier: &Sentence<'_>, later: &Sentence<'_>) -> Option<&'static str> {
    let both = |a: &dyn Fn(&Sentence<'_>) -> bool, b: &dyn Fn(&Sentence<'_>) -> bool| {
        a(earlier) && b(later) || a(later) && b(earlier)
    };
    if !earlier.instructs || !later.instructs || earlier.has_any(EXCEPT) || later.has_any(EXCEPT) {
        return None;
    }
    if both(&|one| one.has("always"), &forbids) && about(earlier, later) {
        return Some("always and never");
    }
    if both(&brief, &long) {
        return Some("short and long");
    }
    if let (Some(a), Some(b)) = (format_of(earlier), format_of(later))
        && a != b
    {
        return Some("two formats of one answer");
    }
    for (unit, bound, number) in limits(earlier) {
        let other = limits(later).into_iter().find(|other| other.0 == unit && other.1 == bound && other.2 != number);
        if other.is_some() && one_object(earlier, later) {
            return Some("two numbers for one limit");
        }
    }
    None
}

fn forbids(one: &Sentence<'_>) -> bool {
    one.has_any(&["never", "do not", "don't", "must not", "avoid"])
}

/// The words that carry meaning, without the endings of plurals.
fn content(one: &Sentence<'_>) -> BTreeSet<String> {
    let meant = one.words.iter().filter(|word| !SMALL.contains(&word.as_str()) && word.parse::<u32>().is_err());
    meant.map(|word| word.strip_suffix('s').unwrap_or(word).to_owned()).collect()
}

/// Whether one sentence's words are nearly all the other's.
fn about(earlier: &Sentence<'_>, later: &Sentence<'_>) -> bool {
    let (a, b) = (content(earlier), content(later));
    let common = a.intersection(&b).count();
    common >= 2 && common * 4 >= a.len().min(b.len()) * 3
}

fn one_object(earlier: &Sentence<'_>, later: &Sentence<'_>) -> bool {
    let named = |one: &Sentence<'_>| -> BTreeSet<String> {
        one.words.iter().filter(|word| ANSWER.contains(&word.as_str())).cloned().collect()
    };
    let (a, b) = (named(earlier), named(later));
    (!a.is_empty() && !a.is_disjoint(&b)) || about(earlier, later)
}

fn brief(one: &Sentence<'_>) -> bool {
    one.has_any(&[
        "be brief",
        "be concise",
        "be short",
        "be terse",
        "briefly",
        "concisely",
        "keep it short",
        "keep it brief",
        "short answer",
        "brief answer",
        "concise answer",
        "one sentence",
        "single sentence",
        "short reply",
        "as short as possible",
    ])
}

fn long(one: &Sentence<'_>) -> bool {
    one.has_any(&[
        "be detailed",
        "be thorough",
        "be exhaustive",
        "be comprehensive",
        "in detail",
        "in great detail",
        "at length",
        "as much detail as possible",
        "as detailed as possible",
        "detailed answer",
        "comprehensive answer",
        "long answer",
        "every detail",
        "all details",
        "in full detail",
        "detailed explanation",
        "detailed reply",
    ])
}

/// The format that an order asks for the whole answer.
fn format_of(one: &Sentence<'_>) -> Option<&'static str> {
    let answers = one.has_any(&["answer", "respond", "return", "output", "reply", "response", "format"]);
    let formats: Vec<&'static str> = [
        ("json", "json"),
        ("markdown", "markdown"),
        ("plain text", "text"),
        ("xml", "xml"),
        ("yaml", "yaml"),
        ("html", "html"),
        ("csv", "csv"),
        ("prose", "text"),
    ]
    .into_iter()
    .filter(|(word, _)| one.has(word))
    .map(|(_, format)| format)
    .collect();
    // "JSON without Markdown" names two and asks for one.
    match formats[..] {
        [format] if answers && !forbids(one) && !one.has_any(&["field", "within", "inside", "input", "no"]) => {
            Some(format)
        }
        _ => None,
    }
}

/// The limits that an order sets: the unit, whether at most, at least or exactly, and the number.
fn limits(one: &Sentence<'_>) -> Vec<(String, &'static str, u32)> {
    const BOUNDS: &[(&str, &str)] = &[
        ("at most", "most"),
        ("no more than", "most"),
        ("not more than", "most"),
        ("maximum of", "most"),
        ("max", "most"),
        ("up to", "most"),
        ("not exceed", "most"),
        ("under", "most"),
        ("fewer than", "most"),
        ("less than", "most"),
        ("within", "most"),
        ("to", "most"),
        ("at least", "least"),
        ("more than", "least"),
        ("exactly", "exactly"),
        ("in", "exactly"),
    ];
    let number = |word: &str| {
        let names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
        word.parse().ok().or_else(|| names.iter().position(|name| *name == word).and_then(|at| u32::try_from(at).ok()))
    };
    let mut found = Vec::new();
    for (at, word) in one.words.iter().enumerate() {
        let (Some(number), Some(unit)) = (number(word), one.words.get(at + 1)) else { continue };
        let before = one.words[..at].join(" ");
        let bound = BOUNDS.iter().find(|(phrase, _)| before == *phrase || before.ends_with(&format!(" {phrase}")));
        if let Some((_, bound)) = bound {
            found.push((unit.strip_suffix('s').unwrap_or(unit).to_owned(), *bound, number));
        }
    }
    found
}
