//! Characters that a reader cannot see, or that move what he sees, made visible.

/// `text` with every character that is invisible or moves others replaced by its number, as in `⟨U+202E⟩`: controls and escape
/// sequences, bidirectional overrides, zero-width characters, fillers, tags, variation selectors. Line feeds stay. Two different
/// texts never become one: the bracket itself is replaced as well.
pub fn visible(text: &str) -> String {
    replaced(text, |c| c != '\n' && hidden(c))
}

/// The same for what stands on one line: a line feed is made visible as well.
pub fn visible_line(text: &str) -> String {
    replaced(text, hidden)
}

fn replaced(text: &str, which: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if which(c) {
            out.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Controls, format characters and default ignorables of Unicode 17, and what is drawn as nothing.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '⟨'
            | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{70f}' | '\u{115f}' | '\u{1160}'
            | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_misleads_is_seen() {
        for (given, shown) in [
            ("pay \u{202e}001", "pay ⟨U+202E⟩001"),
            ("ad\u{200b}min", "ad⟨U+200B⟩min"),
            ("\u{1b}[2K\rall well", "⟨U+001B⟩[2K⟨U+000D⟩all well"),
            ("\u{9b}31m", "⟨U+009B⟩31m"),
            ("ok\u{e0069}\u{e0067}\u{e007f}", "ok⟨U+E0069⟩⟨U+E0067⟩⟨U+E007F⟩"),
            ("\u{2066}a\u{2069}\u{feff}\u{fe0f}\u{3164}", "⟨U+2066⟩a⟨U+2069⟩⟨U+FEFF⟩⟨U+FE0F⟩⟨U+3164⟩"),
            ("⟨U+202E⟩", "⟨U+27E8⟩U+202E⟩"),
            ("a\0b\tc", "a⟨U+0000⟩b⟨U+0009⟩c"),
            ("Grüße, 東京 – naïve 👍\nnext", "Grüße, 東京 – naïve 👍\nnext"),
        ] {
            assert_eq!(visible(given), shown);
        }
        assert_eq!(visible_line("yes\non no: nothing"), "yes⟨U+000A⟩on no: nothing");
    }

    /// Reads the numbers back.
    fn original(shown: &str) -> String {
        let mut out = String::new();
        let mut rest = shown;
        while let Some((before, after)) = rest.split_once("⟨U+") {
            let (number, after) = after.split_once('⟩').unwrap();
            out.push_str(before);
            out.push(char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap());
            rest = after;
        }
        out + rest
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_hidden_stays_and_no_two_texts_become_one(
            text in proptest::collection::vec(
                prop_oneof![any::<char>(), proptest::char::range('\u{2000}', '\u{2070}'), Just('⟨'), Just('U'), Just('+')],
                0..40,
            ),
        ) {
            let text: String = text.into_iter().collect();
            let shown = visible_line(&text);
            prop_assert!(shown.chars().all(|c| c == '⟨' || !hidden(c)), "{shown:?}");
            prop_assert_eq!(original(&shown), text.clone());
            prop_assert_eq!(original(&visible(&text)), text);
        }
    }
}
