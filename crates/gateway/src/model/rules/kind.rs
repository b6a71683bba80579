//! What the characters of a capture mean: numbers as people write them, years, words of a list.

use std::sync::Arc;

use kernel::{
    types::Type,
    values::{MAX_INT, Value},
};

use super::lexicon::Lexicon;

/// What a capture is read as.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Text,
    Int,
    Number,
    Year,
    List,
    Word(Arc<Lexicon>),
}

/// The kinds that are no lexicon. No lexicon has one of these names.
pub(super) const WORDS: [&str; 5] = ["text", "int", "number", "year", "list"];

impl Kind {
    pub(super) fn of_word(word: &str) -> Option<Kind> {
        Some(match word {
            "text" => Kind::Text,
            "int" => Kind::Int,
            "number" => Kind::Number,
            "year" => Kind::Year,
            "list" => Kind::List,
            _ => return None,
        })
    }

    /// None if the characters mean nothing of that kind.
    pub(super) fn read(&self, text: &str) -> Value {
        match self {
            Kind::Text => Value::text(plain(text)),
            Kind::Int => {
                number(text).filter(|n| n.fract() == 0.0).and_then(Value::number).filter(small).unwrap_or_default()
            }
            Kind::Number => number(text).and_then(Value::number).unwrap_or_default(),
            Kind::Year => year(text).unwrap_or_default(),
            Kind::List => list(text),
            Kind::Word(lexicon) => lexicon.get(text).cloned().unwrap_or_default(),
        }
    }

    pub(super) fn ty(&self) -> Type {
        match self {
            Kind::Text => Type::TEXT,
            Kind::Int | Kind::Year => Type::Int,
            Kind::Number => Type::Number,
            Kind::List => Type::list(Type::TEXT),
            Kind::Word(lexicon) => lexicon.ty(),
        }
    }
}

fn small(value: &Value) -> bool {
    matches!(value, Value::Int(number) if number.abs() <= MAX_INT)
}

/// Without white space around, and one space for every run of it.
pub(super) fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `1,200`, `1.200`, `1 200`, `1'200`, `1.5`, `1,5`, `12k`, `3.2 million`, `200+`.
///
/// Groups of three digits after one and the same sign are thousands; one sign before any other number of digits is a decimal one.
fn number(text: &str) -> Option<f64> {
    let text = text.trim().trim_end_matches('+').trim_end();
    let end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (digits, unit) = text.split_at(end);
    let times = match unit.trim().trim_end_matches('.').to_lowercase().as_str() {
        "" => 1.0,
        "k" | "thousand" | "tsd" => 1e3,
        "m" | "mio" | "mn" | "million" | "millions" => 1e6,
        "bn" | "b" | "billion" | "mrd" => 1e9,
        _ => return None,
    };
    let is_sign = |c: char| matches!(c, ',' | '.' | '\'' | '’' | '_') || c.is_whitespace();
    let parts: Vec<&str> = digits.split(is_sign).collect();
    if parts.iter().any(|part| part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let signs: Vec<char> = digits.chars().filter(|c| is_sign(*c)).collect();
    let (first, rest) = parts.split_first()?;
    let grouped = |parts: &[&str]| first.len() <= 3 && parts.iter().all(|part| part.len() == 3);
    let same = signs.windows(2).all(|pair| pair[0] == pair[1]);
    let number: f64 = match rest {
        [] => first.parse().ok()?,
        _ if same && grouped(rest) && *first != "0" => parts.concat().parse().ok()?,
        [groups @ .., decimals] if matches!(signs.last(), Some('.' | ',')) => {
            let others = &signs[..signs.len() - 1];
            let fits = groups.is_empty() || (grouped(groups) && others.windows(2).all(|pair| pair[0] == pair[1]));
            if !fits || signs.last().is_some_and(|last| others.contains(last)) {
                return None;
            }
            format!("{first}{}.{decimals}", groups.concat()).parse().ok()?
        }
        _ => return None,
    };
    let number = number * times;
    // 3.2 million is a whole number, whatever binary fractions make of it.
    Some(if times > 1.0 && (number - number.round()).abs() < 1e-6 * times { number.round() } else { number })
}

fn year(text: &str) -> Option<Value> {
    let text = text.trim();
    let fits = text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|year| fits && (1000..3000).contains(year)).map(Value::Int)
}

/// Split at commas, semicolons, bars, dots in the middle, lines, `&` and the word `and`.
fn list(text: &str) -> Value {
    let parts = text.split([',', ';', '|', '·', '•', '\n', '&']);
    let parts = parts.flat_map(|part| part.split(" and ")).map(plain);
    let parts = parts.map(|part| part.strip_prefix("and ").map(str::to_owned).unwrap_or(part));
    Value::list(parts.filter(|part| !part.is_empty()).map(Value::text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, wanted) in [
            ("12", Some(12.0)),
            ("1,200", Some(1200.0)),
            ("1.200", Some(1200.0)),
            ("1 200 000", Some(1_200_000.0)),
            ("1'200", Some(1200.0)),
            ("1\u{a0}200", Some(1200.0)),
            ("1,234.5", Some(1234.5)),
            ("1.234,5", Some(1234.5)),
            ("1.5", Some(1.5)),
            ("0.125", Some(0.125)),
            ("3.2 million", Some(3_200_000.0)),
            ("12k", Some(12_000.0)),
            ("200+", Some(200.0)),
            ("1,2,3", None),
            ("12,34,567.8", None),
            ("1..2", None),
            ("12 people", None),
            ("٣", None),
            ("", None),
            ("+", None),
        ] {
            assert_eq!(number(text), wanted, "{text}");
        }
        assert_eq!(Kind::Int.read("1.5"), Value::Null);
        assert_eq!(Kind::Int.read(&"9".repeat(400)), Value::Null);
        assert_eq!(Kind::Int.read("1.5k"), Value::Int(1500));
        assert_eq!(Kind::Year.read("1998"), Value::Int(1998));
        assert_eq!(Kind::Year.read("998"), Value::Null);
    }

    #[test]
    fn lists_are_split_where_people_split_them() {
        assert_eq!(Kind::List.read("Rust, Go  and SQL; C & D").to_json(), r#"["Rust","Go","SQL","C","D"]"#);
        assert_eq!(Kind::List.read("a, b, and c").to_json(), r#"["a","b","c"]"#);
        assert_eq!(Kind::Text.read(" two\n words ").to_json(), r#""two words""#);
    }
}
