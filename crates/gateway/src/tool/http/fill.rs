//! From `with` to a URL below the base URL.

use kernel::{expr::Text, values::Value};
use url::Url;

use super::HttpOperation;
use crate::tool::values;

/// The URL of a request, or why there is none.
pub(super) fn url(base: &Url, http: &HttpOperation, with: &Value) -> Result<Url, String> {
    let path = http.path.render_with(&values(http.path.roots(), with), &segment)?;
    // A URL parser walks through these. A hole cannot bring a slash or a `%2e`, but it can bring dots.
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("a segment of its path would be `.` or `..`".to_owned());
    }
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    for (name, text) in &http.query {
        let value = text.render(&values(text.roots(), with))?;
        if !value.is_empty() {
            url.query_pairs_mut().append_pair(name, &value);
        }
    }
    Ok(url)
}

/// What may stand in a path: never nothing, or `/things/{{ with.id }}` would name all of them.
fn segment(value: &Value) -> Result<String, String> {
    match value {
        Value::Text(text) if text.is_empty() => Err("an empty text cannot stand in a path".to_owned()),
        Value::Text(text) => Ok(percent_encode(text)),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => Ok(value.to_json()),
        Value::Null | Value::List(_) | Value::Map(_) => Err(format!("{} cannot stand in a path", value.kind())),
    }
}

/// Everything but RFC 3986's unreserved characters: no slash, no `?`, no `#`, no `@`, no `:`.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => {
                out.push('%');
                out.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    out
}

/// The text without its holes; each leaves a letter, so that what stands around it stays apart.
pub(super) fn plain_text(text: &Text) -> String {
    let (mut plain, mut rest) = (String::new(), text.source());
    for expression in text.expressions() {
        let hole = format!("{{{{{expression}}}}}");
        let Some((before, after)) = rest.split_once(hole.as_str()) else { break };
        // A path that begins with a hole begins with whatever a run brings: not with a slash.
        plain.push_str(before);
        plain.push('x');
        rest = after;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use reqwest::Method;

    use super::*;

    fn path(text: &str) -> Result<String, String> {
        let with = Value::from_json(
            br#"{"id":"a/../b?c#d","n":7,"who":{"name":"Zo\u00eb"},"tags":["x/y"],"none":null,"empty":"","dots":".."}"#,
        );
        let base = Url::parse("https://b.example").unwrap();
        let http = HttpOperation::new(Method::GET, Text::compile(text).unwrap());
        url(&base, &http, &with.unwrap()).map(|url| url.path().to_owned())
    }

    #[test]
    fn what_fills_a_path_stays_in_its_segment() {
        assert_eq!(path("/p/{{ with.id }}/r").unwrap(), "/p/a%2F..%2Fb%3Fc%23d/r");
        assert_eq!(path("/p/{{with.n}}-{{ with.who.name }}").unwrap(), "/p/7-Zo%C3%AB");
        assert_eq!(path("/p/{{ with.who.name | upper }}").unwrap(), "/p/ZO%C3%8B");
    }

    #[test]
    fn what_names_no_single_thing_is_refused() {
        let why = |hole: &str| path(&format!("/p/{{{{ with.{hole} }}}}")).unwrap_err();
        assert_eq!(why("empty"), "`with.empty`: an empty text cannot stand in a path");
        assert_eq!(why("tags"), "`with.tags`: a list cannot stand in a path");
        assert_eq!(why("who"), "`with.who`: a map cannot stand in a path");
        assert_eq!(why("none"), "`with.none` is none, and a hole needs a value");
        assert_eq!(why("dots"), "a segment of its path would be `.` or `..`");
        assert!(why("gone").contains("gone"));
    }

    #[test]
    fn a_path_is_looked_at_without_its_holes() {
        let text = Text::compile("/a/{{ with['?'] }}/{{with.b}}.json").unwrap();
        assert_eq!(plain_text(&text), "/a/x/x.json");
        assert_eq!(plain_text(&Text::compile("{{ with.a }}/b").unwrap()), "x/b");
    }
}
