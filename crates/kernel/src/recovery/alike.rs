//! When two errors say the same: apart from numbers, ids, quotes and white space.

/// Whether two details say the same.
pub(super) fn same(one: &str, other: &str) -> bool {
    one == other || normal(one) == normal(other)
}

/// The shortest word that is an id if it holds a digit besides letters.
const ID: usize = 8;

/// The text without what differs from one attempt to the next: a number or an id becomes `#`, any quote `'`, any white space one
/// blank, and capitals do not count.
fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for letter in text.chars() {
        if letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.') {
            word.extend(letter.to_lowercase());
            continue;
        }
        close(&mut out, &mut word);
        let plain = match letter {
            '"' | '\'' | '`' | '“' | '”' | '„' | '‘' | '’' | '«' | '»' => '\'',
            letter if letter.is_whitespace() => ' ',
            letter => letter,
        };
        if plain != ' ' || !(out.is_empty() || out.ends_with(' ')) {
            out.push(plain);
        }
    }
    close(&mut out, &mut word);
    out.truncate(out.trim_end().len());
    out
}

fn close(out: &mut String, word: &mut String) {
    let marks: &[char] = &['.', '-'];
    let inner = word.trim_end_matches(marks);
    let end = &word[inner.len()..];
    let digits = inner.chars().any(|letter| letter.is_ascii_digit());
    let number = digits && inner.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, '.' | '-' | 'e'));
    let unit = digits
        && inner.starts_with(|letter: char| letter.is_ascii_digit() || letter == '-')
        && inner.trim_start_matches(|letter: char| !letter.is_alphabetic()).len() <= 3;
    let id = digits && inner.chars().count() >= ID;
    if number || unit || id {
        out.push('#');
    } else {
        out.push_str(inner);
    }
    out.push_str(end);
    word.clear();
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn numbers_ids_quotes_and_white_space_make_no_difference() {
        for (one, other) in [
            ("`/score`: 6394 is more than 1", "`/score`: 12.5 is more than 1"),
            ("no answer within 5s", "no  answer within 30s\n"),
            ("order 0196f3a2-77aa-7c1d is closed", "order 0196f3a2-99bb-7c1d is closed"),
            ("\"red\" is not one of 'blue'", "`red` is not one of “blue”"),
            ("Field missing", "field missing"),
            ("took -3 of 8.", "took 1e9 of 7."),
        ] {
            assert!(same(one, other), "{one} / {other}");
        }
    }

    #[test]
    fn words_make_a_difference() {
        for (one, other) in [
            ("`/score`: 2 is more than 1", "`/mark`: 2 is more than 1"),
            ("title is missing", "body is missing"),
            ("\"red\" is not one of", "\"green\" is not one of"),
            ("step a1 failed", "step b1 failed"),
            ("", "x"),
        ] {
            assert!(!same(one, other), "{one} / {other}");
        }
    }
}
