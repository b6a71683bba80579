//! The forms in which a secret may turn up. Written here once more, and not taken from what is tested.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let at = (word >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { char::from(ALPHABET[at as usize]) } else { '=' });
        }
    }
    text
}

/// Two digits a byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As in a URL: everything but letters, digits and `-_.~` is encoded.
pub(super) fn percent(text: &str) -> String {
    let one = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.as_bytes().iter().map(one).collect()
}

/// What of a secret stands in the base64 of anything that holds it: by how many bytes stand before it, modulo three.
fn inside(secret: &[u8]) -> impl Iterator<Item = String> {
    (0..3_usize).map(|before| {
        let whole = base64(&[&vec![0; before][..], secret].concat());
        // Characters that other bytes have a part in are left out.
        let (from, to) = ((before * 8).div_ceil(6), (before + secret.len()) * 8 / 6);
        whole[from..to].to_owned()
    })
}

/// Every form, with its name.
pub(super) fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let quoted = serde_json::Value::from(secret).to_string();
    let twice = serde_json::Value::from(quoted.as_str()).to_string();
    let bytes = secret.as_bytes();
    let mut all = vec![
        ("plain", secret.to_owned()),
        ("json", quoted.trim_matches('"').to_owned()),
        ("json twice", twice[3..twice.len() - 3].to_owned()),
        ("url", percent(secret)),
        ("hex", hex(bytes)),
        ("HEX", hex(bytes).to_uppercase()),
    ];
    all.extend(inside(bytes).map(|text| ("base64", text)));
    all.extend(inside(bytes).map(|text| ("base64 of URLs", text.replace('+', "-").replace('/', "_"))));
    all.into_iter().map(|(name, text)| (name, text.into_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_what_others_make_of_it() {
        assert_eq!(base64(b"Bearer a\"b"), "QmVhcmVyIGEiYg==");
        assert_eq!((hex(b"a\xff").as_str(), percent("a/b %").as_str()), ("61ff", "a%2Fb%20%25"));
        for before in ["", "x", "xy", "Bearer "] {
            let text = base64(format!("{before}se cret!{before}").as_bytes());
            assert!(inside(b"se cret!").any(|form| text.contains(&form)), "{before}");
        }
    }
}
