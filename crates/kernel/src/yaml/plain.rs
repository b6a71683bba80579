//! What a value without quotes means, and which of them two readers would understand differently.

use crate::values::{MAX_INT, Value};

/// What a plain scalar means, or why two readers would disagree about it.
pub(super) enum Plain {
    Value(Value),
    Text,
    Ambiguous,
    TooBig,
}

pub(super) fn resolve(text: &str) -> Plain {
    match text {
        "" | "null" => return Plain::Value(Value::Null),
        "true" => return Plain::Value(Value::Bool(true)),
        "false" => return Plain::Value(Value::Bool(false)),
        "=" | "<<" => return Plain::Ambiguous,
        _ => {}
    }
    if is_switch_word(text) {
        return Plain::Ambiguous;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Plain::Text;
    }
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let plain_int = |part: &str| digits(part) && (part == "0" || !part.starts_with('0'));
    let signed_plus = text.starts_with('+');
    if plain_int(unsigned) && !signed_plus {
        return match text.parse::<i64>() {
            Ok(number) if number.abs() <= MAX_INT => Plain::Value(Value::Int(number)),
            _ => Plain::TooBig,
        };
    }
    if let Some((whole, fraction)) = unsigned.split_once('.')
        && plain_int(whole)
        && digits(fraction)
        && !signed_plus
    {
        return match text.parse::<f64>().ok().and_then(Value::number) {
            Some(number) => Plain::Value(number),
            None => Plain::TooBig,
        };
    }
    if looks_like_a_number(unsigned) { Plain::Ambiguous } else { Plain::Text }
}

/// Words that one reader of YAML or another takes for true, false or null.
pub(super) fn is_switch_word(text: &str) -> bool {
    text == "~"
        || (text.len() <= 5
            && matches!(
                text.to_ascii_lowercase().as_str(),
                "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
            ))
}

/// Hexadecimal, octal, binary, underscores, exponents, leading zeros, `.5`, `5.`, `.inf`, `12:30`, `1,000`.
fn looks_like_a_number(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    if matches!(lower.as_str(), ".inf" | ".nan") {
        return true;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = lower.strip_prefix(prefix) {
            return !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix) || c == '_');
        }
    }
    if lower.contains(':') {
        return lower.split(':').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
            && lower.matches('.').count() <= 1;
    }
    let (mantissa, exponent) = lower.split_once('e').map_or((lower.as_str(), None), |(m, e)| (m, Some(e)));
    let number = |part: &str| {
        part.bytes().any(|b| b.is_ascii_digit())
            && part.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'_' | b',' | b'.'))
            && part.matches('.').count() <= 1
    };
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit())
    });
    number(mantissa) && exponent_fits
}

/// Whether brackets, braces, parentheses or quotes open or close without their partner.
pub(super) fn unbalanced(text: &str) -> bool {
    let mut open = Vec::new();
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => open.push(c),
            (None, ')' | ']' | '}') => {
                let wanted = match c {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if open.pop() != Some(wanted) {
                    return true;
                }
            }
            _ => {}
        }
    }
    quote.is_some() || !open.is_empty()
}
