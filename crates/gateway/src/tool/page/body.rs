//! A body's bytes: of what kind they are, and in what characters they are written.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use sha2::{Digest as _, Sha256};

/// The bytes of a page as they came, after decompression.
pub(super) struct Body {
    pub bytes: Vec<u8>,
    /// There was more.
    pub truncated: bool,
}

impl Body {
    pub(super) fn sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.bytes))
    }
}

/// Kinds of bodies that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Html,
    Plain,
}

impl Kind {
    /// What `Content-Type` says; a server that says nothing means a page.
    pub(super) fn of(content_type: &str) -> Option<Kind> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "" | "text/html" | "application/xhtml+xml" => Some(Kind::Html),
            "text/plain" => Some(Kind::Plain),
            _ => None,
        }
    }
}

/// The text of a body and the name of its encoding: a byte order mark counts more than the header, the header more than the page.
pub(super) fn decode(bytes: &[u8], content_type: &str, kind: Kind) -> (String, String) {
    let (encoding, rest) = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => (encoding, &bytes[mark..]),
        None => {
            let said = from_header(content_type).or_else(|| (kind == Kind::Html).then(|| from_meta(bytes)).flatten());
            (said.unwrap_or_else(|| guess(bytes)), bytes)
        }
    };
    let (text, _) = encoding.decode_without_bom_handling(rest);
    (text.into_owned(), encoding.name().to_ascii_lowercase())
}

/// UTF-8 where it is that, else what old pages mean without saying it. A character that the end cuts off is no argument against
/// UTF-8 where others speak for it.
fn guess(bytes: &[u8]) -> &'static Encoding {
    match std::str::from_utf8(bytes) {
        Ok(_) => UTF_8,
        Err(error) if error.error_len().is_none() && !bytes[..error.valid_up_to()].is_ascii() => UTF_8,
        Err(_) => WINDOWS_1252,
    }
}

fn from_header(content_type: &str) -> Option<&'static Encoding> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let label = value.trim().trim_matches(['"', '\'']);
        name.trim().eq_ignore_ascii_case("charset").then(|| Encoding::for_label(label.as_bytes())).flatten()
    })
}

/// `<meta charset=…>` or `<meta … content="…; charset=…">` in the first 1024 bytes, outside of comments.
fn from_meta(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
    let mut rest = head.as_str();
    loop {
        let at = rest.find("<!--").unwrap_or(rest.len());
        let meta = rest.find("<meta").unwrap_or(rest.len());
        if at < meta {
            rest = &rest[at + rest[at..].find("-->")?..];
            continue;
        }
        rest = rest.get(meta + "<meta".len()..).filter(|rest| !rest.is_empty())?;
        let tag = &rest[..rest.find('>').unwrap_or(rest.len())];
        let label = tag.split("charset").skip(1).find_map(|after| {
            let value = after.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
            let end = value.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ';' | '/'));
            Some(&value[..end.unwrap_or(value.len())])
        });
        if let Some(encoding) = label.and_then(|label| Encoding::for_label(label.as_bytes())) {
            // A page that says so in ASCII is not written in it.
            return Some(if [UTF_16BE, UTF_16LE].contains(&encoding) { UTF_8 } else { encoding });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_counts_more_than_the_header_and_the_header_more_than_the_page() {
        let decoded = |bytes: &[u8], header: &str| decode(bytes, header, Kind::Html);
        let both = |text: &str, name: &str| (text.to_owned(), name.to_owned());
        assert_eq!(decoded(b"\xef\xbb\xbf\xc3\xa9", "text/html; charset=iso-8859-1"), both("é", "utf-8"));
        assert_eq!(decoded(b"\xff\xfeh\0i\0", ""), both("hi", "utf-16le"));
        assert_eq!(decoded(b"\xe9", "text/html; Charset=\"ISO-8859-1\""), both("é", "windows-1252"));
        let page = b"<!-- <meta charset=utf-8> --><META http-equiv=x content='text/html; charset=shift_jis'>\x83\x65";
        assert!(decoded(page, "text/html").0.ends_with('テ'));
        assert_eq!(decoded(page, "text/html").1, "shift_jis");
        assert_eq!(decoded(page, "text/html; charset=utf-8").1, "utf-8");
        assert_eq!(decoded(b"<meta charset=\"utf-16\">\xc3\xa9", "").1, "utf-8");
        assert_eq!(decoded("é".as_bytes(), "text/html; charset=none-such"), both("é", "utf-8"));
        assert_eq!(decoded(b"\xe9", ""), both("é", "windows-1252"));
        assert_eq!(decoded(b"\xc3\xa9\xc3", "").1, "utf-8");
        for broken in [&b"<meta"[..], b"<meta charset", b"<meta charset=", b"<!--", b"<meta charset='>", b""] {
            decoded(broken, "");
        }
    }

    #[test]
    fn only_pages_and_plain_texts_are_read() {
        assert_eq!(Kind::of("Text/HTML; charset=utf-8"), Some(Kind::Html));
        assert_eq!((Kind::of(""), Kind::of("text/plain")), (Some(Kind::Html), Some(Kind::Plain)));
        for other in ["application/pdf", "image/svg+xml", "application/json", "text/html2", "nonsense"] {
            assert_eq!(Kind::of(other), None, "{other}");
        }
    }
}
