//! Against decimal arithmetic as it is done on paper: digits in texts, no machine numbers.

use proptest::prelude::*;

use super::*;
use crate::values::MAX_INT;

/// `a` times `b`, both texts of digits.
fn times(a: &str, b: &str) -> String {
    let mut sum = "0".to_owned();
    for (place, digit) in b.bytes().rev().enumerate() {
        for _ in 0..digit - b'0' {
            sum = plus(&sum, &format!("{a}{}", "0".repeat(place)));
        }
    }
    sum
}

fn plus(a: &str, b: &str) -> String {
    let width = a.len().max(b.len()) + 1;
    let (a, b) = (format!("{a:0>width$}"), format!("{b:0>width$}"));
    let (mut sum, mut carry) = (Vec::new(), 0);
    for (x, y) in a.bytes().rev().zip(b.bytes().rev()) {
        let digit = x - b'0' + y - b'0' + carry;
        (carry, _) = (digit / 10, sum.push(char::from(b'0' + digit % 10)));
    }
    let sum: String = sum.into_iter().rev().collect();
    let short = sum.trim_start_matches('0');
    if short.is_empty() { "0".to_owned() } else { short.to_owned() }
}

/// Micro-dollars for `tokens` at `price` dollars a million, rounded up to a whole one at the end.
fn on_paper(parts: &[(u64, String)]) -> String {
    let mut sum = "0".to_owned();
    for (tokens, price) in parts {
        let (whole, fraction) = price.split_once('.').unwrap_or((price, ""));
        // Six places behind the point: those of the price. A million tokens and a million micro-dollars cancel.
        sum = plus(&sum, &times(&format!("{whole}{fraction:0<6}"), &tokens.to_string()));
    }
    let sum = format!("{sum:0>7}");
    let (whole, fraction) = sum.split_at(sum.len() - 6);
    if fraction.bytes().all(|digit| digit == b'0') { plus(whole, "0") } else { plus(whole, "1") }
}

fn rate() -> impl Strategy<Value = String> {
    (0_u32..2000, "[0-9]{0,6}").prop_map(|(whole, fraction)| {
        if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") }
    })
}

fn money(rate: &str) -> Money {
    Money::of_dollars(rate).expect("a plain number")
}

proptest! {
    #[test]
    fn a_bill_is_exact(tokens in prop::array::uniform5(0_u64..20_000_000), rates in prop::array::uniform5(rate())) {
        let [input, cache_read, cache_write, output, reasoning] = tokens;
        let usage = Usage { input, cache_read, cache_write, output, reasoning };
        let of = |place: usize| money(&rates[place]);
        let price = Price {
            input: of(0), cache_read: of(1), cache_write: of(2), output: of(3), reasoning: of(4), as_of: Timestamp::default(), from: None, until: None,
        };
        let parts: Vec<(u64, String)> = tokens.into_iter().zip(rates).collect();
        prop_assert_eq!(actual(&usage, &price).money_uusd.to_string(), on_paper(&parts));
    }

    #[test]
    fn no_bill_within_the_bounds_exceeds_the_worst_case(
        bytes in 0_u64..2_000_000,
        cap in 1_u32..100_000,
        shares in prop::array::uniform4(0_u64..1000),
        rates in prop::array::uniform5(rate()),
    ) {
        let (half, cap_tokens) = (bytes.div_ceil(2), u64::from(cap));
        let cache_read = half * shares[0] / 1000;
        let cache_write = (half - cache_read) * shares[1] / 1000;
        let reasoning = cap_tokens * shares[2] / 1000;
        let usage = Usage { input: half - cache_read - cache_write, cache_read, cache_write, output: cap_tokens - reasoning, reasoning };
        let of = |place: usize| money(&rates[place]);
        let price = Price {
            input: of(0), cache_read: of(1), cache_write: of(2), output: of(3), reasoning: of(4), as_of: Timestamp::default(), from: None, until: None,
        };
        prop_assert_eq!(actual(&usage, &price).beyond(worst_case(bytes, cap, &price)), Amounts::NOTHING);
    }

    #[test]
    fn money_is_read_to_the_last_digit(whole in 0_i64..9_000_000_000, fraction in "[0-9]{0,6}") {
        let text = if fraction.is_empty() { format!("{whole} USD") } else { format!("{whole}.{fraction} USD") };
        let micros = format!("{whole}{fraction:0<6}").parse::<i64>().unwrap();
        prop_assert_eq!(text.parse::<Money>().unwrap().micros(), micros);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = text.parse::<Money>();
    }
}

#[test]
fn what_is_no_amount_of_money_is_refused() {
    let wrong =
        ["", "USD", " USD", "1", "1USD", "1  USD", "1 usd", "1 EUR", "-1 USD", "+1 USD", "1e3 USD", ".5 USD", "5. USD"];
    for text in
        wrong.into_iter().chain(["1.0000001 USD", "1,000 USD", "9007199255 USD", "99999999999999999999 USD", "١ USD"])
    {
        assert!(text.parse::<Money>().is_err(), "{text}");
    }
    assert_eq!(dollars("9007199254.740991 USD").micros(), MAX_INT);
    assert_eq!(dollars("0.50 USD").checked_add(dollars("1 USD")), Some(dollars("1.5 USD")));
    assert_eq!(Money::from_micros(i64::MAX).checked_add(Money::from_micros(1)), None);
}
